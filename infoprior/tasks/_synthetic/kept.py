"""Which draws from the mix are behind the indices, chosen to resemble real tables.

A choice by meta-features of 22 families of real tasks; tasks are chosen for publication afterwards
(`infoprior.metadataset.chosen_tasks`): this only says which concept an index means. Bit k of
`_KEPT`, counted from the lowest, says that draw k of the first `_POOL` is kept.
"""

_POOL = 2400
_KEPT = int(
    "2e1efadeea342d88738c4e1c05b9475d23d66bd45ea3d262a987bfa2d252286d0228e626385b1192"
    "57702cde24015c4433de311595e5fc6ab94ea82042d40998f19bd5c41b2643b904aaf9c92b8e3190"
    "4c2919aaee36b42c44d9a3cf60bd99220e75f73b2aa26e68fd741eea5591a63524fd6c6ead471318"
    "148351553d378d678c75e79617235f9de0d98b7714e26df92b2e7dd653e8e2766d46bc0a8683e54b"
    "4e02844a8a5ecce2971f3985cde9ce608348cbdd3daccd44e57ecb71d7833fa546c34a461c2c6462"
    "fba17fd447dbeb720e9f6971bc03e03e77daec5aa78f0e84b3d58e188a283a5bb3de5fe3ba842ffc"
    "b2851fe05ab681012e9c56d6db13f7b15d0c9e2cb4a5a188c28fff243c666fcc6d56ea485bc3d942"
    "384cb9300c9185a14d529be7bf4198b9af8c7952",
    16,
)

NUMBERS = tuple(k for k in range(_POOL) if _KEPT >> k & 1)


def concept_of(index: int) -> int:
    """The draw from the mix behind an index: the kept ones in order, then all draws after the pool.

    Args:
        index: from 0 on.
    """
    return NUMBERS[index] if index < len(NUMBERS) else _POOL + index - len(NUMBERS)
