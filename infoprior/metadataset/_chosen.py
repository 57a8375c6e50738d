"""The tasks of the generator that are published, chosen to resemble real tables.

`python benchmarks/metadataset/generator.py --fit` wrote it, from the families of `FITTED_FAMILIES`
only. Bit i of `_CHOSEN`, counted from the lowest, says that "synthetic/<i>" is one of them.
"""

from __future__ import annotations

import zlib

from infoprior._arguments import whole_number
from infoprior.metadataset._schema import MetaDatasetError

_CHOSEN = int(
    "80004000a00802ac03080000802200600000000002480000000000000008000000006000010288004000010400"
    "0000400000000000c000101000000c200800000000000000008000000200000002000000000001200000000040"
    "020000000000000000000001040000000800000000020201080800000002000002000000000048000400000000"
    "002080000000080102800000000080006001002000302080000100000100000000080810000400048000090002"
    "400100020000000000000000800000000000200000000020000000100000008880008000000080100000000000"
    "00000400000400000040000020a0a00000000000600000000080040010008000400800a0000000000010000000"
    "400000000001000004000020000000008c00000004020800810002000000000808111000209000002100000000"
    "40010040101100000208000000000000000480400400000428000000c00000008000410000400002ae60002000"
    "0c14400c201020100804000000410440408284004000000894804a488000000000008100880000005010000008"
    "288220008000240000200040002210200002000002080400760082848000940001010000040004000000840404"
    "21000000260001001600200000c001000004000204001800098000040004210c00408200010001140020006001"
    "2001087680c0200940404025400020200004280000850000220884040402000001200400000000008001004000"
    "40c0000000c000100180000c808004013020010400000000808043014402402018420000100000002012120100"
    "810400010a01002900008000000200000002006020140620000000400001000502400400ea0400002000020004"
    "060040100000020c0040100000024000318110a180000000000002200000002800840202140000292080002100"
    "00000a80000000040000128a00202009422000000000002420000004000010902010000080210004000000089a"
    "014022006004428800010000448080081020000280000282300044802080000000000000000000000000000000"
    "00000000000000000003829433702590fd124216f59af0a838970545f0a04614467cc8854bfe54cf09ac6225e3"
    "0d5bb7e98ace56cd96d6db9472a48f5a02bcb00246fa895941874c16b7a764249acaae376c68b9f8f813f0fb47"
    "9ea1a6a2de605d18e413af3d6c3f5101ef340e7886d040316147ff0ce09ecc7d3d17d2cf07dbf9590dd90b956",
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
The choice has seen how architectures rank on their mean: only the other families have judged
nothing that is learned from."""


def chosen_tasks(n: int | None = None) -> list[str]:
    """Names "synthetic/<i>" of n of the chosen tasks (None: of all); fewer are among more.

    Raises `MetaDatasetError` where fewer are chosen.
    """
    names = [f"synthetic/{i}" for i in range(_CHOSEN.bit_length()) if _CHOSEN >> i & 1]
    if n is not None:
        n = whole_number(n, "n", 0, MetaDatasetError)
    if n is not None and n > len(names):
        raise MetaDatasetError(f"{len(names)} tasks of the generator are chosen, not {n}")
    return sorted(names, key=lambda name: zlib.crc32(name.encode()))[:n]
