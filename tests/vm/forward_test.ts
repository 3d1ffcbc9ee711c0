import { forwardCallTests, forwardPlaceTests } from "./forward_cases.ts";

forwardCallTests();
forwardPlaceTests();
