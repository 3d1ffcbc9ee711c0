import { forwardTests } from "./forward_cases.ts";

forwardTests();
