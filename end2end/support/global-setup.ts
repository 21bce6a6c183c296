import { up } from "./stack.ts";

export default up;
