import { forwardPlaceTests } from "../forward_cases.ts";

forwardPlaceTests();
