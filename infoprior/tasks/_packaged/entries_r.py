"""Data sets of R's packages that pydataset ships as CSV: which label, what is left out and why.

Named after the table in R; its documentation (`pydataset.data(name, show_doc=True)`) says what a
column means. Left out everywhere: row numbers and columns that are known only with the label.
"""

from __future__ import annotations

from typing import Any

from infoprior.tasks._packaged.entry import Entry

_MOST = 20_000
# Households saw the same prices: kept together, with equal rows together, nearly all would be one.
_CHOICE = "which brand was bought, from prices and promotions; households are in all parts"


def _r(path: str, label: str, family: str = "", name: str = "", **settings: Any) -> Entry:
    stem = path.partition("/")[2]
    drop = ("Unnamed: 0", *settings.pop("drop", ()))  # the row's number
    file = f"resources/rdata/csv/{path}.csv"
    named = f"r/{name or stem}"
    return Entry(
        named, family or stem.lower(), file, header=True, label=label, drop=drop, **settings
    )


R = (
    _r("COUNT/azpro", "procedure", nominal=("hospital",), note="which of two heart procedures"),
    _r(
        "COUNT/rwm5yr",
        "outwork",
        "german-health",
        drop=("id", "edlevel1", "edlevel2", "edlevel3", "edlevel4"),
        group="id",
        note="out of work; a person's years are kept together",
    ),
    _r("Ecdat/Bwages", "educ", note="level of education from wage and experience"),
    _r("Ecdat/Car", "choice", "car-choice", note="stated choice among six cars, by position"),
    _r(
        "Ecdat/Caschool",
        "testscr",
        quantiles=3,
        drop=("distcod", "county", "district", "readscr", "mathscr"),
        note="test scores in terciles",
    ),
    _r("Ecdat/Catsup", "choice", "brand-choice", drop=("id",), note=_CHOICE),
    _r("Ecdat/Computers", "cd", note="CD-ROM drive or not, from price and equipment"),
    _r("Ecdat/Cracker", "choice", "brand-choice", drop=("id",), note=_CHOICE),
    _r(
        "Ecdat/Crime",
        "region",
        "crime-north-carolina",
        drop=("county",),
        group="county",
        note="a county's seven years are kept together",
    ),
    _r("Ecdat/DoctorAUS", "insurance", note="kind of health insurance"),
    _r(
        "Ecdat/DoctorContacts",
        "health",
        "rand-health-insurance",
        group="linc",
        max_rows=_MOST,
        note="self-rated health; a family's rows (equal income) are kept together; 20,000 rows",
    ),
    _r("Ecdat/Fishing", "mode", drop=("price", "catch"), note="without the chosen mode's price"),
    _r(
        "Ecdat/HI",
        "whi",
        "wife-health-insurance",
        drop=("hhi", "wght"),
        max_rows=_MOST,
        note="whether a wife is insured through her job; 20,000 of 22,272 rows",
    ),
    _r("Ecdat/Housing", "airco", "windsor-houses", note="air conditioning or not"),
    _r("Ecdat/Kakadu", "answer", drop=("lower", "upper"), note="without bounds the answers imply"),
    _r(
        "Ecdat/Ketchup",
        "Ketchup.choice",
        "brand-choice",
        drop=("Ketchup.hid", "Ketchup.id"),
        note=_CHOICE,
    ),
    _r(
        "Ecdat/Males",
        "occupation",
        "nlsy",
        drop=("nr",),
        group="nr",
        note="a man's eight years are kept together",
    ),
    _r("Ecdat/Mathlevel", "mathlevel", note="highest mathematics course taken"),
    _r("Ecdat/Mode", "choice", "commuting", note="car, carpool, bus or rail to work"),
    _r(
        "Ecdat/Mroz",
        "work",
        "womens-work",
        drop=("hoursw", "hearnw", "wagew"),
        note="without her hours and wage",
    ),
    _r("Ecdat/OFP", "privins", note="private insurance of the elderly"),
    _r(
        "Ecdat/Participation", "lfp", "womens-work", note="labor force participation of Swiss women"
    ),
    _r(
        "Ecdat/PatentsHGH",
        "scisect",
        "patents",
        drop=("obsno", "cusip", "ardsic"),
        group="cusip",
        note="science sector or not; without the industry's code; a firm's years kept together",
    ),
    _r(
        "Ecdat/Schooling",
        "nearc4",
        "nls-young-men",
        drop=("nearc2", "nearc4a", "nearc4b"),
        note="grew up near a four-year college",
    ),
    _r(
        "Ecdat/Star",
        "freelunk",
        "project-star",
        drop=("schidkn",),
        group="schidkn",
        note="free school lunch; a school's pupils are kept together",
    ),
    _r("Ecdat/Tobacco", "occupation", "belgian-budgets"),
    _r(
        "Ecdat/Train",
        "choice",
        "train-choice",
        drop=("id", "choiceid"),
        group="id",
        note="stated choice of two journeys; a person's choices are kept together",
    ),
    _r(
        "Ecdat/UnempDur",
        "ui",
        "unemployment",
        drop=("spell", "censor1", "censor2", "censor3", "censor4"),
        note="claimed benefits; without how the spell went on",
    ),
    _r(
        "Ecdat/VietNamH",
        "farm",
        "vietnam",
        drop=("commune",),
        group="commune",
        note="farm household or not; a commune is kept together",
    ),
    _r(
        "Ecdat/Wages",
        "bluecol",
        "psid-wages",
        group=7,
        note="blue collar; a person's seven years are kept together",
    ),
    _r("Ecdat/Wages1", "sex", "nlsy"),
    _r("Ecdat/Workinghours", "occupation", note="the husband's occupation"),
    _r("Ecdat/Yogurt", "choice", "brand-choice", drop=("id",), note=_CHOICE),
    _r("HSAUR/Forbes2000", "category", drop=("name", "rank"), note="27 industries; mostly noise"),
    _r(
        "HistData/GaltonFamilies",
        "gender",
        "galton",
        drop=("family", "childNum"),
        group="family",
        note="without a child's number, sons come first; a family is kept together",
    ),
    _r(
        "HistData/Quarrels",
        "international",
        drop=("ID", "year", "colonial", "revolution", "nat.grp"),
        note="without year and the other kinds of war",
    ),
    _r("KMsurv/std", "iinfct", drop=("obs", "rinfct", "time"), note="mostly noise"),
    _r("MASS/Aids2", "status", drop=("death",), note="without the date of death"),
    _r("Zelig/mexico", "vote88", drop=("one",)),
    _r("Zelig/mid", "conflict", note="militarised disputes of pairs of states"),
    _r("car/Chile", "vote"),
    _r("car/Salaries", "rank"),
    _r("ggplot2/diamonds", "cut", max_rows=_MOST, note="20,000 of 53,940 rows"),
    _r(
        "ggplot2/diamonds",
        "clarity",
        name="diamonds_clarity",
        max_rows=_MOST,
        note="20,000 of 53,940 rows",
    ),
    _r(
        "ggplot2/midwest",
        "inmetro",
        drop=("PID", "county", "category"),
        note="without the category the label is a part of",
    ),
    _r(
        "plyr/baseball",
        "lg",
        drop=("id", "team"),
        group="id",
        fewest=1000,
        max_rows=_MOST,
        note="American or National League; a player is kept together; 20,000 of 21,385 rows",
    ),
    _r(
        "pscl/politicalInformation",
        "y",
        drop=("id",),
        group="id",
        note="an interviewer's rating; an interviewer is kept together; mostly noise",
    ),
    _r("pscl/vote92", "vote"),
    _r("rpart/solder", "skips", cut=(0,), note="any fault of soldering or none"),
    _r("survival/flchain", "death", drop=("futime", "chapter"), note="without time and cause"),
    _r(
        "survival/pbc",
        "stage",
        drop=("id", "time", "status"),
        fewest=50,
        note="without outcome; stage 1 (21 rows) left out",
    ),
    _r("texmex/liver", "dose", note="mostly noise"),
)

# Shipped by pydataset, and no task here:
# - no classifier tried beat the majority by more than chance or 5 points: affairs, Benefits,
#   bfeed, bfi, BudgetFood, BudgetUK, CNES, Cowles, Fair, Hdma, Heating, immigration, InstEval,
#   loomis, medpar, movies (mpaa), nlschools, nwtco, PSID, sat.act, SLID, Tuna, turnout,
#   VerbAgg, VietNamI, voteincome;
# - here from another package: biopsy, Boston, fgl, Pima.*, shuttle, spam7;
# - the same rows or persons under another name: azcabgptca, azprocedure, MedExp, mdvis, RetSchool,
#   rwm, rwm1984; a few persons' repeated rows: respiratory, Sitka, dietox, ohio;
# - simulated: synth.*, xclara, randu; few distinct rows: logan, titanic, housing, Vocab.
