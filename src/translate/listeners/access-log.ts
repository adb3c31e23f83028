import { create } from '@bufbuild/protobuf';
import { type AccessLog, AccessLogSchema } from '../../envoy/gen/envoy/config/accesslog/v3/accesslog_pb.js';
import { FileAccessLogSchema } from '../../envoy/gen/envoy/extensions/access_loggers/file/v3/file_pb.js';
import type { MeshConfig } from '../../mesh/mesh-config.ts';
import { pack } from '../messages.ts';

/** The access log that MeshConfig asks for: none, or one file, as text or JSON. */
export function buildAccessLog(config: MeshConfig): AccessLog[] {
  if (config.accessLogFile === '') return [];
  const format = config.accessLogFormat;
  const logFormat =
    format === ''
      ? {}
      : {
          accessLogFormat: {
            case: 'logFormat' as const,
            value: {
              format:
                config.accessLogEncoding === 'JSON'
                  ? { case: 'jsonFormat' as const, value: JSON.parse(format) }
                  : { case: 'textFormatSource' as const, value: { specifier: { case: 'inlineString' as const, value: format } } },
            },
          },
        };
  return [
    create(AccessLogSchema, {
      name: 'envoy.access_loggers.file',
      configType: { case: 'typedConfig', value: pack(FileAccessLogSchema, { path: config.accessLogFile, ...logFormat }) },
    }),
  ];
}
