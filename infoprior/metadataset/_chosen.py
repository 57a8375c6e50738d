"""The tasks of the generator that are published, chosen to resemble real tables.

`python benchmarks/generator.py --fit` wrote it, from the families of `FITTED_FAMILIES` only. Bit i
of `_CHOSEN`, counted from the lowest, says that "synthetic/<i>" is one of them.
"""

from __future__ import annotations

import zlib

from infoprior.metadataset._schema import MetaDatasetError

_CHOSEN = int(
    "428000000c00000008000410000000002aee00020400c14400c0212301008040000024104404080a6000000002"
    "894124a48a00000080000810088000000501400100828022000000400000000004000223030000200000208040"
    "052008284080894000180000002000400000080040421010000260801001200600000c00120000400020400180"
    "009a000050004240c004080000101010000200060012001087280c020094440402542002000000028000084000"
    "062080424040200000020040000800000000000480040c0000000c000110590200c80800401300001040200000"
    "0808441014442402010420000100000023010020000810000010a01000b000080000002000000020060a014262"
    "0010100400000200400600000ea0000002000020004060040100000020c0040100000824000318110a1c000000"
    "000000224000000280085020214200020000200210000100208000000240000108011002009402000000000002"
    "420000000005010902000020080010004000000089201402000600442c8000008004480840810600012a000028"
    "2300045802080000000000000000000000000000000000000000000000000031e64377533e3fd3e529ffdba30e"
    "d3a9cb457fba55f567e75f8af7fffd4c929a9e613d7dd4ba7ddfbce864f86d6dabfc2759cce96bfa5e166face7"
    "c7b854e16ffb766acffaa66b7fdeebed8f8d5f3fb779cc6e6e1dfe77b3fe4078f716fbff39be75fc6708fdac27"
    "9f767af1ce11efc6fbf97dae6a75bf94b4dc93bd5e",
    16,
)

FITTED_FAMILIES = (
    "401ksubs", "abalone", "adult", "aids2", "azpro", "bands", "belgian-budgets",
    "brand-choice", "breast-cancer-wisconsin", "catholic", "child-health", "chile", "commuting",
    "computers", "contraceptive", "credit-approval", "credit-german", "crime-north-carolina",
    "dermatology", "diamonds", "doctoraus", "ecoli", "econmath", "exoplanets", "fars",
    "fertil2", "fishing", "flchain", "forbes2000", "galton", "german-health", "haberman",
    "heart-disease", "hiva", "hmda", "hypothyroid", "ionosphere", "kakadu",
    "king-county-houses", "letter", "liver", "mammographic", "marketing",
    "massachusetts-traffic", "maternal_health_risk", "mathlevel", "mexico", "michigan-schools",
    "mid", "midwest", "movement_libras", "new-york-airports", "nls-young-men", "nlsy", "ofp",
    "olympics", "page-blocks", "pbc", "penbased", "phoneme", "pima", "powerlifting",
    "project-star", "rand-health-insurance", "satimage", "segment", "shuttle", "sleep75",
    "software-defects", "solder", "spambase", "spectfheart", "splice", "spotify", "stroke",
    "sylva", "texture", "twoyear", "unemployment", "us-births", "vehicle", "volcanoes", "vowel",
    "windsor-houses", "wine-quality", "workinghours", "yeast",
)  # fmt: skip
"""The families of real tasks that the choice was fitted to: all that the stages do not test on.
What learned from synthetic tasks is reported on the others."""


def chosen_tasks(n: int | None = None) -> list[str]:
    """Names "synthetic/<i>" of n of the chosen tasks (None: of all); fewer are among more.

    Raises `MetaDatasetError` where fewer are chosen.
    """
    found = [f"synthetic/{i}" for i in range(_CHOSEN.bit_length()) if _CHOSEN >> i & 1]
    if n is not None and not 0 <= n <= len(found):
        raise MetaDatasetError(f"{len(found)} tasks of the generator are chosen, not {n}")
    return sorted(found, key=lambda name: zlib.crc32(name.encode()))[:n]
