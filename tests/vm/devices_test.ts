import { testDevices } from "./devices.ts";

testDevices(2);
