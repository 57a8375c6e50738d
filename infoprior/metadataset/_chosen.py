"""The tasks of the generator that are published, chosen to resemble real tables.

`python benchmarks/generator.py --fit` wrote it, from the fitted families of real tasks only. Bit i
of `_CHOSEN`, counted from the lowest, says that "synthetic/<i>" is one of them.
"""

from __future__ import annotations

import zlib

from infoprior.metadataset._schema import MetaDatasetError

_CHOSEN = int(
    "428000040c40000008000410000000002aee00020000c14400c0212301008040000024104404080a6000000002"
    "894124a48a00000080000810088000000501400100828022000000000000420004000201030000200000208040"
    "052008284080094000180000002000400000080040021010000260801001600600000c00120000400020400180"
    "009a000040004340c004082000101010000200060012001087280c020094440400542002000000028000084000"
    "022080424040200000020040000000000000400480040c0000000c000110580200c80800401300001040000000"
    "0808441014442402010420000100000023012020000810000010801000b000080000002000000220060a014262"
    "0010100400000200400600000ea0000002000020004060040100000020c0040100000824000318110a1c000000"
    "000000224000000280085020214200021000200210000100208000000240000108011002809402000000000006"
    "420000000005010902000020080010004000000089201402200600442c800000c004480840810600002a000028"
    "23000448020800000000000000000000000000000000000000000000000000312cc377531e3fd3a52defdba30e"
    "d3a97b45df2a55f545e75e8bf5ffed0cd2caffc57defd4ba7ddbbee565f87dadb9ec235bc5e96bd37e0eeface5"
    "f69cf4616ffb76ea41faae6b7dfeebafcf85bd2fb779cd3eea6dff6db7ae5058f796fbffb9be7574650cf96446"
    "9eb47ef1ce11efcefbf97f2e7265bf95bcdc97bf5e",
    16,
)

FITTED_FAMILIES = (
    "401ksubs", "abalone", "adult", "aids2", "azpro", "bands", "belgian-budgets",
    "breast-cancer-wisconsin", "catholic", "chile", "computers", "contraceptive",
    "credit-approval", "credit-german", "ecoli", "econmath", "exoplanets", "fars", "fertil2",
    "fishing", "flchain", "forbes2000", "galton", "heart-disease", "hiva", "hmda",
    "hypothyroid", "kakadu", "letter", "marketing", "massachusetts-traffic",
    "maternal_health_risk", "mathlevel", "mexico", "new-york-airports", "nls-young-men", "nlsy",
    "olympics", "page-blocks", "penbased", "phoneme", "pima", "satimage", "segment", "sleep75",
    "software-defects", "spambase", "splice", "stroke", "sylva", "texture", "twoyear",
    "us-births", "vehicle", "volcanoes", "vowel", "workinghours", "yeast",
)  # fmt: skip
"""The families of real tasks that the choice was fitted to: none of them may judge anything that
learned from synthetic tasks."""


def chosen_tasks(n: int | None = None) -> list[str]:
    """Names "synthetic/<i>" of n of the chosen tasks (None: of all); fewer are among more.

    Raises `MetaDatasetError` where fewer are chosen.
    """
    found = [f"synthetic/{i}" for i in range(_CHOSEN.bit_length()) if _CHOSEN >> i & 1]
    if n is not None and not 0 <= n <= len(found):
        raise MetaDatasetError(f"{len(found)} tasks of the generator are chosen, not {n}")
    return sorted(found, key=lambda name: zlib.crc32(name.encode()))[:n]
