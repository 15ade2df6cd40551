/** The part of jstat (which ships no types) that the study uses. */
declare module "jstat" {
  interface Distribution {
    cdf(x: number, degreesOfFreedom: number): number;
    inv(p: number, degreesOfFreedom: number): number;
  }
  const jStat: { studentt: Distribution };
  export default jStat;
}
