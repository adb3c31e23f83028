import type { EnvoyFilterSpec } from '../../src/api/envoy-filter/schema.ts';
import type { ServiceEntrySpec } from '../../src/api/service-entry/schema.ts';
import type { SidecarSpec } from '../../src/api/sidecar/schema.ts';
import type { WorkloadEntrySpec } from '../../src/api/workload-entry/schema.ts';
