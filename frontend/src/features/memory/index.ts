/** How much memory a job is expected to take, and took: for the plan of a new one and the page of one that runs. */
export { MemoryEstimate } from "./documents";
export { gigabytes } from "./figures";
export { MemoryBar } from "./MemoryBar";
