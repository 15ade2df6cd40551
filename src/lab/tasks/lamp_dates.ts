/** Dates of profile items: year-month-day, with a time of day behind it or without. */

const DATE = /^(\d{1,4})-(\d{1,2})-(\d{1,2})$/;
/** hours:minutes, seconds and their parts if given, and how far from UTC. */
const TIME = /^(\d{1,2}):(\d{2})(?::(\d{2})(\.\d+)?)?\s*(?:(Z)|([+-])(\d{2}):?(\d{2}))?$/;

/** Milliseconds since 1970, UTC where no offset is given, midnight where no time is; undefined for what is no date of the calendar. */
export function instantOf(text: string): number | undefined {
  const [, day, time] = /^(\S+?)(?:[T\s]\s*(.*\S))?\s*$/.exec(text) ?? [];
  const date = DATE.exec(day ?? "");
  if (!date) return undefined;
  const [year, month, dayOfMonth] = date.slice(1).map(Number);
  // Not Date.UTC: it takes years below 100 for those of the twentieth century.
  const midnight = new Date(0).setUTCFullYear(year, month - 1, dayOfMonth);
  const found = new Date(midnight);
  if (found.getUTCMonth() !== month - 1 || found.getUTCDate() !== dayOfMonth) return undefined;
  const past = time === undefined ? 0 : millisecondsOf(time);
  return past === undefined ? undefined : midnight + past;
}

function millisecondsOf(time: string): number | undefined {
  const found = TIME.exec(time);
  if (!found) return undefined;
  const [hours, minutes, seconds = 0] = [found[1], found[2], found[3] ?? 0].map(Number);
  const part = Number(found[4] ?? 0);
  const [ahead, behind] = [Number(found[7] ?? 0), Number(found[8] ?? 0)];
  if (hours > 23 || minutes > 59 || seconds > 60 || ahead > 23 || behind > 59) return undefined;
  const offset = (found[6] === "-" ? -1 : 1) * (ahead * 60 + behind);
  return Math.round(1000 * (hours * 3600 + (minutes - offset) * 60 + seconds + part));
}
