import Type from 'typebox';
import Value from 'typebox/value';

const count = Type.Integer({ minimum: 0 });

const rejection = Type.Object({
  typeUrl: Type.String({ maxLength: 256 }),
  resource: Type.String({ maxLength: 4096 }),
  proxies: count,
  exampleProxy: Type.String({ maxLength: 512 }),
  message: Type.String({ maxLength: 512 }),
  lastSeen: Type.Number(),
  suspects: Type.Array(Type.String({ maxLength: 1024 }), { maxItems: 64 }),
});

/** Patches of one EnvoyFilter that are spoken of. */
export const [maxPatches, maxFailedPatches] = [4096, 16];

const servedGeneration = Type.Optional(Type.Integer());

/** Where a generation stands that not every proxy gets. */
const rollout = Type.Union([
  Type.Object({ stage: Type.Literal('trial'), proxies: count, servedGeneration }),
  Type.Object({
    stage: Type.Literal('quarantined'),
    refusal: Type.Optional(
      Type.Object({
        typeUrl: Type.String({ maxLength: 256 }),
        resource: Type.String({ maxLength: 4096 }),
        proxy: Type.String({ maxLength: 512 }),
        message: Type.String({ maxLength: 512 }),
        atMs: Type.Number(),
      }),
    ),
    message: Type.String({ maxLength: 2048 }),
    servedGeneration,
  }),
]);

/** One object's counts on one replica. */
const objectLine = Type.Object({
  type: Type.Literal('object'),
  key: Type.String({ maxLength: 1024 }),
  /** Of the object that the counts are about; absent: the replica has it no more, but its proxies may. */
  generation: Type.Optional(Type.Integer()),
  uid: Type.Optional(Type.String({ maxLength: 128 })),
  /** False: the mesh has the generation, the proxies' configuration does not yet. */
  served: Type.Boolean(),
  affected: count,
  acked: count,
  rejected: count,
  pending: count,
  /** How long the longest pending proxy has been waited for; a duration, for clocks differ. */
  pendingForMs: Type.Optional(Type.Number({ minimum: 0 })),
  rejections: Type.Optional(Type.Array(rejection, { maxItems: 5 })),
  laggards: Type.Optional(Type.Array(Type.String({ maxLength: 512 }), { maxItems: 5 })),
  rollout: Type.Optional(rollout),
  patches: Type.Optional(
    Type.Object({
      classes: count,
      matched: Type.Array(count, { maxItems: maxPatches }),
      /** Index and message. */
      failed: Type.Array(Type.Tuple([count, Type.String({ maxLength: 512 })]), { maxItems: maxFailedPatches }),
    }),
  ),
});

/** A line that a follower sends: first every object it has, then `synced`, then what changes. */
const replicaLine = Type.Union([
  objectLine,
  /** The replica has nothing of the object any more. */
  Type.Object({ type: Type.Literal('gone'), key: Type.String({ maxLength: 1024 }) }),
  Type.Object({ type: Type.Literal('synced') }),
  Type.Object({ type: Type.Literal('heartbeat') }),
]);

export type ObjectLine = Type.Static<typeof objectLine>;
export type ReplicaLine = Type.Static<typeof replicaLine>;

/** A line is at most this long: five rejections and their words. */
export const maxLineBytes = 65_536;

/** How both sides know that they speak the same language; a replica of another version is not counted. */
export const replicationProtocol = 'weft-replication-1';

/** Where followers connect, on the status port. */
export const replicationPath = '/replication';

/** How often each side says something, and after how long a silence it takes the other for gone, in milliseconds. */
export const [heartbeatMs, silenceMs] = [5_000, 15_000];

/** The value of a line that was read, if it is one; throws otherwise. */
export function checkReplicaLine(value: unknown): ReplicaLine {
  if (!Value.Check(replicaLine, value)) throw new Error('a replica sent a line that is none of this protocol');
  return value;
}
