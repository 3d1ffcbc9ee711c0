import { type Call, callsOf } from "./row.ts";

const time = callsOf("time");
const scheduling = callsOf("scheduling");

/** Calls about clocks, timers, and who runs where and when. */
export const timeCalls: readonly Call[] = [
  time("time", [201], "seconds:out=long"),
  time("gettimeofday", [96, 169], "time:out=timeval zone:out=timezone"),
  time("clock_gettime", [228, 113], "clock time:out=timespec"),
  time("clock_getres", [229, 114], "clock resolution:out=timespec"),
  time("nanosleep", [35, 101], "duration:in=timespec remaining:out=timespec"),
  time("clock_nanosleep", [230, 115], "clock flags duration:in=timespec remaining:out=timespec"),
  time("alarm", [37], "seconds"),
  time("getitimer", [36, 102], "which value:out=itimerval"),
  time("setitimer", [38, 103], "which value:in=itimerval old:out=itimerval"),
  time("timer_create", [222, 107], "clock event:pointer id:out=int"),
  time("timer_settime", [223, 110], "id flags value:in=itimerspec old:out=itimerspec"),
  time("timer_gettime", [224, 108], "id value:out=itimerspec"),
  time("timer_getoverrun", [225, 109], "id"),
  time("timer_delete", [226, 111], "id"),

  scheduling("sched_yield", [24, 124], ""),
  scheduling("getcpu", [309, 168], "cpu:out=int node:out=int unused:pointer"),
  scheduling("sched_getaffinity", [204, 123], "pid size cpus:pointer"),
  scheduling("sched_setaffinity", [203, 122], "pid size cpus:pointer"),
  scheduling("sched_getscheduler", [145, 120], "pid"),
  scheduling("sched_setscheduler", [144, 119], "pid policy parameters:in=int"),
  scheduling("sched_getparam", [143, 121], "pid parameters:out=int"),
  scheduling("sched_setparam", [142, 118], "pid parameters:in=int"),
  scheduling("sched_getattr", [315, 275], "pid attributes:outSized size flags"),
  scheduling("sched_setattr", [314, 274], "pid attributes:pointer flags"),
  scheduling("sched_get_priority_max", [146, 125], "policy"),
  scheduling("sched_get_priority_min", [147, 126], "policy"),
  scheduling("sched_rr_get_interval", [148, 127], "pid interval:out=timespec"),
  scheduling("getpriority", [140, 141], "which who"),
  scheduling("setpriority", [141, 140], "which who nice"),
  scheduling("ioprio_get", [252, 31], "which who"),
  scheduling("ioprio_set", [251, 30], "which who priority"),
];
