const SMALL = "a|an|and|as|at|but|by|en|for|if|in|of|on|or|the|to|v\\.?|via|vs\\.?";
const PUNCT = "!\"“#$%&'‘()*+,\\-–‒—―./:;?@[\\\\\\]_`{|}~";

const SMALL_WORD = new RegExp(`^(?:${SMALL})$`, "iu");
const SMALL_FIRST = new RegExp(`^([${PUNCT}]*)(${SMALL})\\b`, "i");
const SMALL_LAST = new RegExp(`\\b(?:${SMALL})[${PUNCT}]?$`, "i");
const SMALL_AFTER = new RegExp(`([:.;?!\\-–‒—―][ ])(${SMALL})`, "g");
const MAC = /^([Mm]c|MC)(\w.+)/;
const HONORIFIC = /^(?:m(?:rs?|s)|dr)$/i;
const INLINE_PERIOD = /[\p{L}\p{N}_]\.[\p{L}\p{N}_]/u;
const CAPITAL_INSIDE = new RegExp(`^[${PUNCT}]*?[a-zA-Z]+[A-Z]`);
const CAPITAL_FIRST = new RegExp(`^[${PUNCT}]*?[\\p{L}\\p{N}_]`, "u");
const APOSTROPHE_SECOND = /^[dol]['‘][\p{L}\p{N}_]+(?:['s]{2})?$/iu;
const INITIALS = /^(?:[A-Z]\.|[A-Z]\.[A-Z])+$/;
const CONSONANTS = /^[bcdfghjklmnpqrstvwxz]{3,}$/i;

/** DefectDojo stores titles in title case, following the Python package `titlecase`. */
export function titlecase(text: string): string {
  return text
    .split(/[\r\n]+/)
    .map((line) => titlecaseLine(line, true))
    .join("\n");
}

function titlecaseLine(line: string, ends: boolean): string {
  const allCaps = line.toUpperCase() === line;
  const words = line.split(/[\t ]/).map((word) => titlecaseWord(word, allCaps));
  const last = words.length - 1;
  if (ends) {
    words[0] = (words[0] ?? "").replace(SMALL_FIRST, (_, before: string, word: string) => before + capitalize(word));
    words[last] = (words[last] ?? "").replace(SMALL_LAST, capitalize);
  }
  return words.join(" ").replace(SMALL_AFTER, (_, before: string, word: string) => before + capitalize(word));
}

function titlecaseWord(word: string, allCaps: boolean): string {
  if (allCaps && INITIALS.test(word)) return word;
  if (APOSTROPHE_SECOND.test(word)) {
    const first = "aeiou".includes((word[0] ?? "").toLowerCase())
      ? word.charAt(0).toUpperCase()
      : word.charAt(0).toLowerCase();
    return first + word.charAt(1) + word.charAt(2).toUpperCase() + word.slice(3);
  }
  const mac = MAC.exec(word);
  if (mac !== null) return capitalize(mac[1] ?? "") + titlecase(mac[2] ?? "");
  if (HONORIFIC.test(word)) return word.charAt(0).toUpperCase() + word.slice(1);
  if (INLINE_PERIOD.test(word) || (!allCaps && CAPITAL_INSIDE.test(word))) return word;
  if (SMALL_WORD.test(word)) return word.toLowerCase();
  for (const joint of ["/", "-"]) {
    if (!word.includes(joint) || (joint === "/" && word.includes("//"))) continue;
    return word
      .split(joint)
      .map((part) => titlecaseLine(part, false))
      .join(joint);
  }
  const plain = allCaps ? word.toLowerCase() : word;
  return CONSONANTS.test(plain) ? plain.toUpperCase() : plain.replace(CAPITAL_FIRST, (start) => start.toUpperCase());
}

function capitalize(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1).toLowerCase();
}
