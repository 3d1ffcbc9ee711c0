import { featureTests } from "./feature_cases.ts";

featureTests();
