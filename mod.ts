/**
 * argo-nodeos: one Linux kernel, several operating-system personalities.
 *
 * ```ts ignore
 * import { Container } from "./mod.ts";
 *
 * await using container = await Container.create({ cpuCount: 4 });
 * const { code } = await container.start({ argv: ["./solver"] }).status;
 * ```
 *
 * @module
 */

export type { Scheduling } from "./ffi/task.ts";
export type { Cache } from "./lib/kernel/cache.ts";
export type { HugePagePool, NumaNode } from "./lib/kernel/numa.ts";
export { CapturedRoot } from "./ffi/captured_root.ts";
export { SysError } from "./ffi/errors.ts";
export { type KernelEntry, type KernelFiles, KernelRoot, type KernelWriter } from "./ffi/kernel_root.ts";
export { type ExitStatus, type Launched, LaunchError, type LaunchFilter, type LaunchRequest, type Placement } from "./ffi/launch.ts";
export type { FileOwner, MemoryFile, MemoryFiles, MemoryWriter, PopulateRequest } from "./ffi/memory.ts";
export { type Cube, cubeBytes, type CubeLayer, type CubeOptions, readCube, tilesOf } from "./lib/astro/cube.ts";
export { type CubeReader, FileCubeReader } from "./lib/astro/cube_reader.ts";
export { findFitsFiles } from "./lib/astro/files.ts";
export { medianOf } from "./lib/astro/median.ts";
export { type CubeShape, type MedianBlock, medianBlocks, type StackOptions } from "./lib/astro/stack.ts";
export { randomVectors, type SkyVector, type VectorMedian, VectorSampler } from "./lib/astro/vectors.ts";
export type { TouchResult } from "./ffi/paging.ts";
export type { StorePart } from "./ffi/paging_stores.ts";
export { Container, type ContainerOptions, type RunningProgram } from "./lib/container/container.ts";
export { decideMemoryChange, type MemoryChange } from "./lib/container/grant.ts";
export { Job, type JobOptions, type JobOutcome, type JobResult } from "./lib/container/job.ts";
export type { Forwarding, ForwardingSeat } from "./lib/container/forwarding_seat.ts";
export { Node, type NodeOptions, type ProgramRequest, type StartedProgram } from "./lib/container/node.ts";
export { type ContainerPlan, type Decision, planChange, planRequest } from "./lib/container/planning.ts";
export type { Recovery } from "./lib/container/recovery.ts";
export { decideResize, type Resize } from "./lib/container/resize.ts";
export { decideSwitch, type Switch, switchNames } from "./lib/container/switch.ts";
export { parseSyscalls, type SyscallRequest } from "./lib/container/syscall_wish.ts";
export type { Left } from "./lib/container/whole_node.ts";
export {
  type ContainerRequest,
  type ContainerSpec,
  type Lifetime,
  type NodeRequest,
  SpecError,
  type SpecIssue,
  type SpecPath,
} from "./lib/container/spec.ts";
export { NodeosError, NoSuchObjectError, NotRunningError, RefusedError, UsageError } from "./lib/errors.ts";
export type { LoadBalancing } from "./lib/feature/load_balancing.ts";
export type { CacheWish, Percent } from "./lib/feature/cache.ts";
export type { NodeFeature, Scene } from "./lib/feature/node_feature.ts";
export { nodeFeatures, quietPreset } from "./lib/feature/node_features.ts";
export type { SchedulingWish } from "./lib/feature/scheduling.ts";
export type { Card, CardValue } from "./lib/fits/card.ts";
export { FitsError } from "./lib/fits/errors.ts";
export { FitsFile } from "./lib/fits/file.ts";
export { type Hdu, type HduKind, readHdus } from "./lib/fits/hdu.ts";
export { type FitsSource, Header, readHeader } from "./lib/fits/header.ts";
export { chooseImage, decodeValues, type FitsImage } from "./lib/fits/image.ts";
export { type Bitpix, type FitsTile, type PixelFormat } from "./lib/fits/tile.ts";
export { type CardToWrite, fitsImage, fitsStored, imageHeader, type ImageToWrite } from "./lib/fits/write.ts";
export { type CgroupLayout, type CpusetState, type Hierarchy, readCgroupLayout } from "./lib/kernel/cgroup.ts";
export { formatCpuList, parseCpuList } from "./lib/kernel/cpulist.ts";
export { Inventory } from "./lib/kernel/inventory.ts";
export type { EventCount, Irq, Irqs, NamedCount } from "./lib/kernel/irq.ts";
export type { SchedulingPolicy, Task } from "./lib/kernel/process.ts";
export { type Core, type CoreKind, type Cpu, type CpuGroup, readTopology, type Topology } from "./lib/kernel/topology.ts";
export { allocate, type AllocateOptions, mapObject, type MapOptions } from "./lib/memory/allocate.ts";
export type { MappedMemory } from "./ffi/mapping.ts";
export {
  type Backend,
  describeUnit,
  type MemoryPolicy,
  type OwnMemory,
  type OwnMemoryRequest,
  type Programs,
  type Unit,
  type UnitRequest,
} from "./lib/memory/unit.ts";
export { PageBuffer, type PageBufferOptions } from "./lib/paging/buffer.ts";
export { type OpenPageStore, type PageStore, StoreError, type StoreErrorCode } from "./lib/paging/page_store.ts";
export { type PageError, Region, type RegionOptions, type ViewType } from "./lib/paging/region.ts";
export type { RegionStatistics } from "./lib/paging/statistics.ts";
export {
  compressedStore,
  type CompressedStoreDescription,
  type CompressedStoreOptions,
  fileStore,
  type FileStoreDescription,
  type FileStoreOptions,
  fitsStore,
  type FitsStoreDescription,
  httpStore,
  type HttpStoreOptions,
  objectStore,
  type ObjectStoreDescription,
  partsStore,
  type PartsStoreDescription,
  sparseStore,
  type SparseStoreDescription,
  type SparseStoreOptions,
  type StoreDescription,
  workerStore,
  type WorkerStoreDescription,
  type WorkerStoreOptions,
} from "./lib/paging/stores.ts";
export { type Change, formatSteps, type Step, type StepKind, stepKinds } from "./lib/plan/step.ts";
export type { Kernel } from "./lib/plan/driver.ts";
export { type Drift, verify } from "./lib/plan/executor.ts";
export type { Holding, Ledger, NodeHolding, Owner } from "./lib/plan/ledger.ts";
export { loadPolicy as loadPowerPolicy } from "./lib/power/access/policy_file.ts";
export { type Grant as PowerGrant, type Person, Policy as PowerPolicy, type Range as PowerRange } from "./lib/power/access/policy.ts";
export { currentPerson } from "./lib/power/access/person.ts";
export { PowerSession, type SessionOptions, type Setting } from "./lib/power/access/session.ts";
export { type Restored, restorePower } from "./lib/power/access/journal.ts";
export { boardPath, PowerBoard } from "./lib/power/glue/board.ts";
export { PrometheusFile, prometheusText, writePrometheus } from "./lib/power/glue/prometheus.ts";
export { type TauOptions, type TauRegion, writeTau } from "./lib/power/glue/tau.ts";
export type { ProgressModel } from "./lib/power/control/progress.ts";
export type { ProgressReport, ProgressWish } from "./lib/power/governor/progress_cap.ts";
export { Governor, type GovernorOptions, type GovernorRecord } from "./lib/power/governor/governor.ts";
export { ProgramRuntime } from "./lib/power/governor/program.ts";
export type { CoreRequest, RuntimeNews, RuntimePort, RuntimeThreads, ThreadPlaces } from "./lib/power/governor/runtime.ts";
export { Accumulator, type Step as AccumulatorStep } from "./lib/power/accumulator.ts";
export type { ExpandLimits } from "./lib/power/control/expand.ts";
export type { ThermalSetting } from "./lib/power/control/thermal.ts";
export type {
  Domain as PowerDomain,
  Lack,
  Meter,
  MeterSample,
  MeterSampler,
  Provider,
  Reading,
  Unit as MeterUnit,
} from "./lib/power/meter.ts";
export type { PowerEvent } from "./lib/power/papi_events.ts";
export type { PapiDescription, PapiEvents, PapiReading } from "./ffi/papi.ts";
export { type OpenEvents, type Papi, type PapiOptions, type PapiProvider, papiProvider } from "./lib/power/providers/papi.ts";
export { Registry as PowerRegistry } from "./lib/power/registry.ts";
export type { Snapshot, SnapshotReader } from "./lib/power/snapshot.ts";
export type { Trace, TraceColumn, TraceRow } from "./lib/power/trace/trace.ts";
export {
  type ChangedCall,
  type ChangeReport,
  type ClientArgument,
  type ClientCall,
  type ClientFilled,
  type ClientPolicy,
  type ClientResult,
  type Decoded,
  type LoggedEvent,
  SyscallClient,
  SyscallError,
} from "./lib/sidecar/client.ts";
export { type Architecture, hostArchitecture } from "./lib/syscall/arch.ts";
export { Board, type BoardState, type CallCounter, type CallInFlight, type Refusal, type Refusals } from "./lib/syscall/board.ts";
export { compileFilter } from "./lib/syscall/filter.ts";
export {
  type ConnectedHandlers,
  connectHandlers,
  type HandledArgument,
  type HandledCall,
  type Handler,
  type HandlerOptions,
  type HandlerResult,
} from "./lib/syscall/handlers.ts";
export { type OciSeccomp, ociSeccomp, type OciSyscalls } from "./lib/syscall/oci.ts";
export { resolvePolicy, type SyscallWish } from "./lib/syscall/policy.ts";
export type { Policy, Rule } from "./lib/syscall/rules.ts";
export type { Action, Verdict } from "./lib/syscall/switches.ts";
export {
  type Argument,
  type ArgumentKind,
  argumentKinds,
  type Bytes,
  type Call,
  callNamed,
  callNumbered,
  calls,
  type Group,
  type Trait,
  traitNames,
} from "./lib/syscall/table.ts";
