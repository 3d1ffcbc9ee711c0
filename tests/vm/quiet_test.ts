import { quietTests } from "./quiet_cases.ts";

quietTests();
