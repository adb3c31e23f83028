import { afterEach, describe, expect, it } from 'vitest';
import { startLoad } from '../env/client.ts';
import { conditionOf, startControlPlane } from '../env/control-plane.ts';
import { startEcho } from '../env/echo-server.ts';
import { findEnvoy } from '../env/envoy-binary.ts';
import { eventually } from '../env/eventually.ts';
import { freePort } from '../env/free-port.ts';
import { createKeeper } from '../env/keeper.ts';
import { serviceEntry, staticHost, toYaml } from '../env/mesh-objects.ts';
import { startProxy } from '../env/proxy.ts';

const { keep, release } = createKeeper();
afterEach(release);

describe.skipIf((await findEnvoy()) === undefined)('a bad edit of a file', () => {
  it('keeps the last good version in force, with an error at its place and traffic that never notices', async () => {
    const echo = await keep(startEcho({ name: 'echo' }));
    const [port, neighbourPort] = [await freePort(), await freePort()];
    const at = [{ address: '127.0.0.1', port: echo.port }];
    const api = serviceEntry('api', staticHost('api.example.com', { number: port, protocol: 'HTTP' }, at));
    const neighbour = (weight: number) =>
      serviceEntry('neighbour', {
        ...staticHost('neighbour.example.com', { number: neighbourPort, protocol: 'HTTP' }, at),
        endpoints: [{ address: '127.0.0.1', ports: { main: echo.port }, weight }],
      });
    const file = (weight: number) => toYaml([api, neighbour(weight)]);
    const plane = await keep(startControlPlane({ files: { 'api.yaml': [api, neighbour(1)] } }));
    const envoy = await keep(startProxy({ plane, identity: { interceptionMode: 'NONE' } }));
    await plane.waitReady(api, { affected: 1 });
    const generation = async (object: typeof api) => (await plane.status(object))?.observedGeneration ?? 0;
    const load = await keep(startLoad({ to: `127.0.0.1:${port}`, host: 'api.example.com' }, { concurrency: 2, pauseMs: 5 }));
    const removed = () => envoy.stats('^(cluster_manager\\.cluster_removed|listener_manager\\.listener_removed)$');
    const before = await removed();

    const errors = () => plane.logLines().filter(({ level }) => level === 'error');
    /** Writes a version of the file with an error and waits until the log tells it, at its place. */
    const expectError = async (text: string, line: number, column: number, problem: RegExp) => {
      const known = errors().length;
      await plane.write('api.yaml', text);
      const found = await eventually('the error in the log', () =>
        errors()
          .slice(known)
          .find(({ message }) => message === 'Configuration error'),
      );
      expect(found).toMatchObject({ file: `${plane.folder}/api.yaml`, line, column, problem: expect.stringMatching(problem) });
    };
    /** 1-based line and column of a text in the file. */
    const place = (text: string, part: string): [number, number] => {
      const lines = text.slice(0, text.indexOf(part)).split('\n');
      return [lines.length, lines.at(-1)!.length + 1];
    };

    const invalidNow = async (reason: RegExp) => {
      const status = await plane.waitForStatus(
        'to be invalid',
        api,
        (found) => conditionOf(found, 'Accepted') === 'False Invalid',
      );
      expect(status.conditions?.find(({ type }) => type === 'Accepted')?.message).toMatch(reason);
      expect(conditionOf(status, 'Ready')).toBe('False NotAccepted');
      expect(status.propagation).toMatchObject({ affected: 1, acked: 1 });
    };

    const wrongType = file(2).replace(`number: ${port}`, 'number: eighty');
    await expectError(wrongType, ...place(wrongType, 'eighty'), /must be an integer/);
    await invalidNow(/spec\.ports\[0\]\.number.*generation 1 stays in force/);
    // The neighbour in the same file is taken in all the same.
    await eventually('the neighbour to move on', async () => (await generation(neighbour(2))) === 2);

    const badAddress = file(2).replace('  resolution:', '  addresses:\n    - 10.0.0.0/64\n  resolution:');
    await expectError(badAddress, ...place(badAddress, '10.0.0.0/64'), /10\.0\.0\.0\/64/);
    await invalidNow(/10\.0\.0\.0\/64/);

    const malformed = file(3).replace('hosts:\n', 'hosts: [\n');
    const known = errors().length;
    await plane.write('api.yaml', malformed);
    const found = await eventually('the error in the log', () => errors().slice(known)[0]);
    expect(found).toMatchObject({ message: 'Configuration error', file: `${plane.folder}/api.yaml`, line: expect.any(Number) });
    await eventually('the neighbour to move on', async () => (await generation(neighbour(3))) === 3);
    expect(await plane.status(api)).toBeDefined();

    const large = `${file(4)}\n# ${'x'.repeat(10 * 1_048_576)}\n`;
    await expectError(large, 1, 1, /^is too large: \d+ bytes, the limit is 8388608/);
    expect(await generation(neighbour(4))).toBe(3);

    await plane.write('api.yaml', file(5));
    await plane.waitForStatus('to be well again', api, (status) => conditionOf(status, 'Ready') === 'True Propagated');
    expect(await removed()).toEqual(before);
    const { failed, sent } = await load.stop();
    expect(failed).toBe(0);
    expect(sent).toBeGreaterThan(20);
    expect(errors().filter(({ message }) => message !== 'Configuration error')).toEqual([]);
  });

  it('takes what a vanished file said out of force, and only that', async () => {
    const echo = await keep(startEcho({ name: 'echo' }));
    const [port, otherPort] = [await freePort(), await freePort()];
    const at = [{ address: '127.0.0.1', port: echo.port }];
    const [stays, goes] = [
      serviceEntry('stays', staticHost('stays.example.com', { number: port, protocol: 'HTTP' }, at)),
      serviceEntry('goes', staticHost('goes.example.com', { number: otherPort, protocol: 'HTTP' }, at)),
    ];
    const plane = await keep(startControlPlane({ files: { 'stays.yaml': [stays], 'folder/goes.yaml': [goes] } }));
    const envoy = await keep(startProxy({ plane, identity: { interceptionMode: 'NONE' } }));
    await plane.waitReady(goes, { affected: 1 });
    await plane.remove('folder');
    await eventually('its listener to go', async () => {
      const { listener_statuses: listeners } = JSON.parse(await envoy.admin('/listeners?format=json')) as {
        listener_statuses: { name: string }[];
      };
      return listeners.map(({ name }) => name).join() === `127.0.0.1_${port}`;
    });
    expect(await plane.status(goes)).toBeUndefined();
    expect(conditionOf(await plane.status(stays), 'Ready')).toBe('True Propagated');
  });
});
