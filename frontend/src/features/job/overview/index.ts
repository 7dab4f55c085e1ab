/** What other screens draw runs with. */
export { matching, WhenSeen } from "./AllMetrics";
export { AXIS_UNITS, formatAxis } from "./axis";
export { Controls } from "./Controls";
export { MetricStore } from "./columns";
export { useDetail } from "./detail";
export { followRun } from "./follow";
export { drawn, sourceOf } from "./lines";
export { rangeInUrl, rangeOf, smoothingOf, VIEW } from "./view";
