"""The one table of what names of classes mean, and the colours that people expect such classes in.

Words are English, German, French and Spanish, and those of the public data sets. They are written without capitals and accents; a star
stands for any letters, a word without one also means its plural. `late` words mean something where nothing else does.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from core.colours.space import Colour

# Okabe and Ito, "Color universal design", 2008.
BLUE, GREEN, VERMILLION, YELLOW = (0, 114, 178), (0, 158, 115), (213, 94, 0), (240, 228, 66)
PURPLE, SKY, ORANGE, BLACK = (204, 121, 167), (86, 180, 233), (230, 159, 0), (0, 0, 0)
SAFE: tuple[Colour, ...] = (BLUE, GREEN, VERMILLION, YELLOW, PURPLE, SKY, ORANGE, BLACK)
"""Eight colours that people with a colour vision deficiency tell apart."""


@dataclass(frozen=True)
class Meaning:
    """What classes of some names show, and the colours for it: as it looks like in nature, and of those that are safe (None for any)."""

    name: str
    natural: Colour
    safe: Colour | None
    words: str
    late: str = ""


# The first row that fits a name counts, so what says more stands above what says less.
MEANINGS = (
    Meaning(
        "landslide",
        (224, 104, 24),
        None,
        "landslide, landslip, mudslide, rockslide, debris flow, erdrutsch*, hangrutsch*, *rutschung*, glissement*, deslizamiento*",
    ),
    Meaning(
        "burnt",
        (196, 32, 32),
        None,
        "burn*, fire, wildfire, verbrannt*, brandflache*, waldbrand*, brule*, incendi*, quemad*",
    ),
    Meaning("shadow", (58, 66, 122), None, "shadow*, shade, *schatten, ombre, sombra"),
    Meaning("cloud", (186, 170, 206), None, "cloud*, wolke*, bewolkt, nuage*, nube, nubes"),
    Meaning("solar", (40, 56, 176), None, "solar*, photovolta*, fotovolta*, pv"),
    Meaning("greenhouse", (112, 198, 176), None, "greenhouse, *gewachshaus*, gewachshauser, serre, invernadero"),
    Meaning("pool", (60, 190, 200), None, "pool, swimming*, schwimmb*, piscine, piscina"),
    Meaning(
        "wetland",
        (46, 133, 130),
        SKY,
        "wetland*, marsh*, swamp*, bog, fen, mire, mangrove*, peat*, reed*, flooded vegetation, moor, moore, *sumpf*, feucht*, schilf*, "
        "marais, marecage*, tourbiere, zone humide, zones humides, humedal*, pantano",
    ),
    Meaning(
        "vehicle",
        (222, 64, 120),
        ORANGE,
        "car, vehicle*, truck, bus, van, lorry, bike, bicycle, motorcycle, auto, pkw, lkw, fahrzeug*, fahrrad*, voiture, vehicule, "
        "camion*, coche, vehiculo",
    ),
    Meaning("ship", (138, 92, 206), None, "ship, boat, vessel, schiff*, boot, boote, bateau*, navire, barco, buque"),
    Meaning("person", (232, 140, 190), None, "person*, people, human*, pedestrian*, mensch*, passant*, personne, peaton*"),
    Meaning("snow", (140, 186, 224), SKY, "snow*, ice, glacier*, schnee*, eis, gletscher*, neige*, glace, nieve, hielo, glaciar*"),
    Meaning(
        "water",
        (33, 114, 191),
        BLUE,
        "water*, sea, ocean*, lake, river*, stream, pond, canal, creek, reservoir*, lagoon, *wasser*, gewasser*, meer, see, seen, fluss*, "
        "*flusse, teich*, weiher, kanal*, bach, bache, stausee*, eau, eaux, mer, lac, riviere, fleuve, ruisseau*, etang*, agua, mar, rio, "
        "lago, laguna, arroyo, embalse",
    ),
    Meaning(
        "railway",
        (92, 76, 80),
        PURPLE,
        "rail*, train, eisenbahn*, schiene*, gleis*, voie ferree, voies ferrees, chemin de fer, ferrocarril*, via ferrea",
    ),
    Meaning(
        "road",
        (104, 108, 116),
        PURPLE,
        "road*, street*, highway*, motorway*, lane, path*, track, trail, footpath, sidewalk*, runway*, bridge, traffic*, *strasse*, weg, "
        "wege, *weg, *wege, autobahn*, brucke*, verkehr*, route, autoroute, rue, chemin, voie, voirie, trottoir, pont, carretera, calle, "
        "camino, sendero, calzada, autopista, acera, puente, via, vial, viales",
    ),
    Meaning(
        "building",
        (166, 66, 48),
        VERMILLION,
        "build*, roof*, house*, dwelling, *gebaude*, haus, hauser, *haus, *hauser, dach*, dacher, batiment*, bati, maison, toit, toiture, "
        "edificio, edificacion*, casa, techo, tejado, construction*, construccion*",
    ),
    Meaning(
        "paved",
        (138, 142, 172),
        PURPLE,
        "impervious*, paved*, pavement*, parking*, asphalt*, concrete, sealed*, *versiegelt*, versiegelung*, parkplatz*, beton*, imperme*, "
        "estacionamiento, aparcamiento, hormigon",
    ),
    Meaning(
        "urban",
        (212, 116, 98),
        VERMILLION,
        "urban*, built*, settlement*, residential*, developed, city, town, village, industr*, commercial*, artificial surface, siedlung*, "
        "bebau*, wohn*, stadt*, urbain*, residenti*, residencial*, artificialise*",
    ),
    Meaning("rock", (134, 108, 78), None, "rock*, stone*, cliff*, scree, boulder*, fels*, gestein*, roche*, roca, rocas, rocoso"),
    Meaning(
        "bare",
        (196, 164, 118),
        YELLOW,
        "bare*, barren*, soil*, sand*, desert*, dirt, beach*, gravel*, dune*, mud, strand, kies*, wuste*, unbewachsen*, sol nu, sols nus, "
        "sable*, plage*, suelo desnudo, desnud*, arena, playa",
        late="land, ground, terrain, earth, *boden, erde, sol, terre, suelo, tierra",
    ),
    Meaning(
        "orchard",
        (138, 70, 112),
        ORANGE,
        "vine, vineyard*, orchard*, plantation*, weinberg*, rebe, reben, rebflache*, obst*, vigne, vignoble, verger, vinedo, "
        "huerto, frutal*",
    ),
    Meaning(
        "crop",
        (214, 172, 58),
        ORANGE,
        "crop*, farm*, agri*, arable, field, cultivat*, plow*, plough*, irrigated*, paddy*, rice, wheat, maize, corn, "
        "*acker*, feld, felder, landwirtschaft*, weizen, mais, reis, culture, champ, labour*, cultivo, campo",
    ),
    Meaning(
        "shrub",
        (122, 132, 50),
        GREEN,
        "shrub*, scrub*, bush*, brush*, heath*, hedge*, ligneous, strauch*, straucher, *gebusch*, busch*, hecke*, heide*, arbust*, "
        "buisson*, broussaille*, lande, maquis, garrigue, haie, matorral*",
    ),
    Meaning(
        "grass",
        (134, 186, 86),
        GREEN,
        "low vegetation, grass*, lawn*, meadow*, pasture*, range, rangeland*, herbaceous*, herb, prairie*, savanna*, steppe*, moss*, "
        "lichen*, turf, tundra*, niedrige vegetation, *wiese*, rasen*, weide*, grunland*, vegetation basse, pelouse, gazon, pature, herbe, "
        "vegetacion baja, pasto, pastizal*, pradera, prado, cesped, hierba",
    ),
    Meaning(
        "tree",
        (24, 104, 54),
        GREEN,
        "tree*, forest*, wood*, canopy, conifer*, deciduous*, broadlea*, evergreen*, needlelea*, palm, *wald*, walder, baum*, baume, "
        "*baum, *baume, *geholz*, foret, arbre, bois, boise*, feuillu*, resineux, bosque, arbol*, arbore*",
    ),
    Meaning(
        "vegetation",
        (72, 158, 66),
        GREEN,
        "vegetati*, vegetat*, greenery, plants, park, garden*, grun, grunflache*, garten, parc, jardin*, vegetacion, parque",
        late="green*, verde*, vert",
    ),
    Meaning(
        "background",
        (84, 82, 62),
        None,
        "",
        late="background, clutter, other, others, rest, unknown, unclassified, hintergrund, sonstige*, ubrige*, unbekannt*, fond, autre, "
        "divers, inconnu*, fondo, otro, otra, desconocido",
    ),
)
_NOT = re.compile(r"^(?:not?|non|kein|keine|nicht|sans|pas|sin|ohne)\b ")


@lru_cache(maxsize=4096)
def meaning_of(name: str) -> Meaning | None:
    """What a class of this name shows, None where its name tells nothing; "not water" is background."""
    words = _plain(name)
    if _NOT.match(words) and _first(_NOT.sub("", words)) is not None:
        return MEANINGS[-1]
    return _first(words)


def _first(words: str) -> Meaning | None:
    for patterns in _patterns():
        for meaning, pattern in patterns:
            if pattern.search(words):
                return meaning
    return None


def _plain(name: str) -> str:
    """A name as words of small letters without accents: "LowVegetation" and "low_végétation" are "low vegetation"."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    letters = "".join(letter for letter in unicodedata.normalize("NFKD", apart) if not unicodedata.combining(letter))
    return " ".join(re.findall(r"[^\W_]+", letters.casefold()))


@lru_cache(maxsize=1)
def _patterns() -> tuple[list[tuple[Meaning, re.Pattern[str]]], ...]:
    """The meanings with their words, and with their late words, as patterns."""
    tiers = ([(one, one.words) for one in MEANINGS], [(one, one.late) for one in MEANINGS])
    return tuple([(one, _pattern(words)) for one, words in tier if words] for tier in tiers)


def _pattern(words: str) -> re.Pattern[str]:
    parts = [word.strip().replace("*", r"\w*") + ("" if word.strip().endswith("*") else "(?:e?s)?") for word in words.split(",")]
    return re.compile(rf"\b(?:{'|'.join(parts)})\b")
