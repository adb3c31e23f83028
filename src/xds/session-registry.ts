import type { ProxyNode } from '../mesh/proxy.ts';
import type { ProxyClass } from './proxy-class.ts';
import type { ProxySession } from './session/proxy-session.ts';

/** The connected proxies of one class. */
export interface ClassGroup {
  readonly proxyClass: ProxyClass;
  readonly sessions: ReadonlySet<ProxySession>;
  /** Those that lack something or refused something; all others hold exactly what the class says. */
  readonly unsettled: ReadonlySet<ProxySession>;
}

interface MutableGroup {
  readonly proxyClass: ProxyClass;
  readonly sessions: Set<ProxySession>;
  readonly unsettled: Set<ProxySession>;
}

/** Who is connected, by class. */
export class SessionRegistry {
  readonly #groups = new Map<ProxyClass, MutableGroup>();
  readonly #sessions = new Map<ProxyNode, ProxySession>();

  get size(): number {
    return this.#sessions.size;
  }

  sessions(): Iterable<ProxySession> {
    return this.#sessions.values();
  }

  /** The session that the node came with. */
  session(node: ProxyNode): ProxySession | undefined {
    return this.#sessions.get(node);
  }

  groups(): Iterable<ClassGroup> {
    return this.#groups.values();
  }

  group(proxyClass: ProxyClass): ClassGroup | undefined {
    return this.#groups.get(proxyClass);
  }

  /** Takes a session in, under its present class. */
  add(session: ProxySession): void {
    this.#sessions.set(session.node, session);
    this.#join(session);
  }

  /** Lets a session go. */
  remove(session: ProxySession): void {
    this.#sessions.delete(session.node);
    this.#part(session, session.proxyClass);
  }

  /** A session has come from the class `from` into its present one. */
  move(session: ProxySession, from: ProxyClass): void {
    this.#part(session, from);
    this.#join(session);
  }

  /** Sorts a session in again by whether it is up to date. */
  update(session: ProxySession): void {
    const unsettled = this.#groups.get(session.proxyClass)?.unsettled;
    if (session.unsettledSince === undefined) unsettled?.delete(session);
    else if (this.#sessions.has(session.node)) unsettled?.add(session);
  }

  #join(session: ProxySession): void {
    const { proxyClass } = session;
    let group = this.#groups.get(proxyClass);
    if (!group) {
      group = { proxyClass, sessions: new Set(), unsettled: new Set() };
      this.#groups.set(proxyClass, group);
    }
    group.sessions.add(session);
    this.update(session);
  }

  #part(session: ProxySession, from: ProxyClass): void {
    const group = this.#groups.get(from);
    if (!group) return;
    group.sessions.delete(session);
    group.unsettled.delete(session);
    if (group.sessions.size === 0) this.#groups.delete(from);
  }
}
