import { create } from '@bufbuild/protobuf';
import { isUnixAddress } from '../../api/address.ts';
import {
  type SocketOption,
  SocketOption_SocketState,
  SocketOptionSchema,
} from '../../envoy/gen/envoy/config/core/v3/socket_option_pb.js';

/**
 * Socket options of a listener that the proxy binds itself. Envoy hands the socket of a listener on to the next one at the same
 * address, and where the one was not bound (`bind_to_port: false`) and the other is, its worker crashes (seen in 1.40): sockets of
 * different options it keeps apart. TCP_NODELAY (6, 1 on Linux and macOS) changes nothing: Envoy sets it on every connection.
 */
export function boundSocketOptions(bind: string): SocketOption[] {
  if (isUnixAddress(bind)) return [];
  return [
    create(SocketOptionSchema, {
      description: 'bound by the proxy',
      level: 6n,
      name: 1n,
      value: { case: 'intValue', value: 1n },
      state: SocketOption_SocketState.STATE_PREBIND,
    }),
  ];
}
