/** What other screens use of the rewards: writing one. */
export { NewReward } from "./NewReward";
