/** What other screens use of the deployments: deploying a model. */
export { CreateDialog } from "./CreateDialog";
