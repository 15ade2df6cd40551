/**
 * The words of the generated users. Short and common, so that each becomes one token of a small vocabulary; no word
 * stands in two lists that one task uses, so that a word tells its meaning.
 */

/** 8 themes × 4 topics × 4 words of one meaning. */
export const THEMES: readonly (readonly (readonly string[])[])[] = [
  [
    ["wolves", "dogs", "foxes", "hounds"],
    ["birds", "owls", "crows", "geese"],
    ["fish", "trout", "salmon", "eels"],
    ["horses", "ponies", "mules", "donkeys"],
  ],
  [
    ["ships", "boats", "ferries", "yachts"],
    ["islands", "reefs", "shores", "beaches"],
    ["pirates", "raiders", "smugglers", "bandits"],
    ["storms", "gales", "floods", "tides"],
  ],
  [
    ["bread", "cakes", "pies", "buns"],
    ["cheese", "butter", "cream", "milk"],
    ["soup", "stew", "broth", "curry"],
    ["apples", "pears", "plums", "cherries"],
  ],
  [
    ["guitars", "fiddles", "violins", "lutes"],
    ["drums", "bells", "gongs", "cymbals"],
    ["singers", "choirs", "bands", "tenors"],
    ["dances", "waltzes", "polkas", "jigs"],
  ],
  [
    ["trains", "trams", "buses", "subways"],
    ["streets", "roads", "lanes", "alleys"],
    ["markets", "shops", "stalls", "stores"],
    ["bridges", "towers", "walls", "gates"],
  ],
  [
    ["stars", "planets", "comets", "moons"],
    ["robots", "machines", "engines", "computers"],
    ["atoms", "crystals", "magnets", "lasers"],
    ["doctors", "nurses", "surgeons", "medics"],
  ],
  [
    ["football", "rugby", "hockey", "cricket"],
    ["running", "cycling", "rowing", "skating"],
    ["boxing", "wrestling", "judo", "fencing"],
    ["chess", "cards", "dice", "dominoes"],
  ],
  [
    ["kings", "queens", "princes", "emperors"],
    ["wars", "battles", "sieges", "duels"],
    ["castles", "forts", "palaces", "temples"],
    ["knights", "soldiers", "archers", "spies"],
  ],
];

/** Words that say nothing about the answer. */
export const MANNERS: readonly string[] = [
  "quiet",
  "warm",
  "famous",
  "simple",
  "clever",
  "gentle",
  "fresh",
  "modern",
  "lovely",
  "rough",
  "brief",
  "grand",
];
export const FORMS: readonly string[] = ["film", "novel", "song", "poem", "play", "talk", "show", "essay"];
export const PEOPLE: readonly string[] = [
  "mayor",
  "teacher",
  "farmer",
  "writer",
  "judge",
  "baker",
  "pilot",
  "priest",
];
export const VERBS: readonly string[] = [
  "praised",
  "feared",
  "studied",
  "found",
  "described",
  "missed",
  "painted",
  "loved",
];

/** The two values of each of the six attributes that a `rule` can be about. */
export const ATTRIBUTES: readonly (readonly [string, string])[] = [
  ["long", "short"],
  ["sad", "funny"],
  ["old", "new"],
  ["book", "movie"],
  ["winter", "summer"],
  ["night", "morning"],
];

export const JUDGEMENTS: readonly string[] = ["yes", "no"];
export const TAGS: readonly string[] = [
  "cosy",
  "grim",
  "epic",
  "wry",
  "tender",
  "strange",
  "bold",
  "bright",
  "dark",
  "wild",
  "calm",
  "plain",
];
/** The topic's word comes after each of these; they differ in the first word. */
export const PHRASES: readonly string[] = [
  "notes on",
  "in praise of",
  "more about",
  "the trouble with",
  "farewell to",
  "back to",
];
