import { type Guest, Places } from '../quotas/places'
import type { DevicePlace, PlaceOwner } from './device-place'
import type { Place } from './party'
import type { RelayContext } from './relay-context'

/** Somebody who waits for a device. */
export interface Seeker extends Guest {
  readonly deviceId: string
  /** Something has changed: ask its place. */
  seek(): void
}

/** What the other relays are told. */
export interface Neighbours {
  announce(place: DevicePlace): void
  forgot(deviceId: string): void
}

/** The way to a device of another relay. */
export interface FarPlace extends Place {
  /** It leads there no more. */
  end(): void
}

export interface Elsewhere {
  readonly place: FarPlace
  readonly registeredAt: number
  readonly isOnline: boolean
}

/** Which device is where, and who waits for one. */
export class Directory implements PlaceOwner {
  neighbours: Neighbours | undefined
  readonly #context: RelayContext
  readonly #here = new Map<string, DevicePlace>()
  readonly #elsewhere = new Map<string, Elsewhere>()
  readonly #seekers = new Map<string, Set<Seeker>>()
  /** Devices that were here and left, the one that left first in front. */
  readonly #remembered = new Map<DevicePlace, NodeJS.Timeout>()
  readonly #waiting: Places

  constructor(context: RelayContext) {
    this.#context = context
    this.#waiting = new Places(context.limits.maxWaitingJoins)
  }

  /** Of this relay, those that are away included. */
  get places(): Iterable<DevicePlace> {
    return this.#here.values()
  }

  get devicesOnline(): number {
    return this.#here.size - this.#remembered.size
  }

  get devicesRemembered(): number {
    return this.#remembered.size
  }

  get devicesElsewhere(): number {
    return this.#elsewhere.size
  }

  get waiting(): number {
    return this.#waiting.size
  }

  here(deviceId: string): DevicePlace | undefined {
    return this.#here.get(deviceId)
  }

  find(deviceId: string): Place | undefined {
    return this.#here.get(deviceId) ?? this.#elsewhere.get(deviceId)?.place
  }

  /** A time for a registration that is later than those of the device that are known. */
  nextTime(deviceId: string): number {
    const last = this.#here.get(deviceId)?.registeredAt ?? this.#elsewhere.get(deviceId)?.registeredAt ?? 0
    return Math.max(Date.now(), last + 1)
  }

  /** A device has registered at this place, which is here. */
  arrived(place: DevicePlace): void {
    const { deviceId } = place
    clearTimeout(this.#remembered.get(place))
    this.#remembered.delete(place)
    this.#here.set(deviceId, place)
    const elsewhere = this.#elsewhere.get(deviceId)
    this.#elsewhere.delete(deviceId)
    this.changed(place)
    elsewhere?.place.end()
  }

  /** What lets clients in has changed. */
  changed(place: DevicePlace): void {
    if (this.#here.get(place.deviceId) !== place) return
    this.neighbours?.announce(place)
    this.#admitSeekers(place.deviceId)
  }

  /** The device's connection is closed: it may come back. */
  left(place: DevicePlace): void {
    if (this.#here.get(place.deviceId) !== place || this.#remembered.has(place)) return
    const { maxRememberedDevices, rememberTimeout } = this.#context.limits
    const timer = setTimeout(() => this.#forget(place), rememberTimeout)
    timer.unref()
    this.#remembered.set(place, timer)
    this.neighbours?.announce(place)
    const [oldest] = this.#remembered.keys()
    if (oldest !== undefined && this.#remembered.size > maxRememberedDevices) this.#forget(oldest)
  }

  /**
   * Another relay has it, since that time; `place` leads there.
   *
   * @returns false: this relay's own is newer
   */
  isElsewhere(deviceId: string, elsewhere: Elsewhere, isNewer: (registeredAt: number) => boolean): boolean {
    const own = this.#here.get(deviceId)
    // A device that is connected is worth more than one that is remembered.
    if (own && (own.isOnline === elsewhere.isOnline ? !isNewer(own.registeredAt) : own.isOnline)) return false
    const other = this.#elsewhere.get(deviceId)
    const isOther = other !== undefined && other.place !== elsewhere.place
    if (isOther && other.registeredAt > elsewhere.registeredAt) return true
    if (own) this.#drop(own)
    this.#elsewhere.set(deviceId, elsewhere)
    own?.end()
    if (isOther) other.place.end()
    this.#admitSeekers(deviceId)
    return true
  }

  /** The other relay has it no more, or is gone. */
  isNotElsewhere(place: FarPlace): void {
    if (this.#elsewhere.get(place.deviceId)?.place === place) this.#elsewhere.delete(place.deviceId)
    place.end()
  }

  /** When as many as may be wait already, one of them is displaced. */
  wait(seeker: Seeker): void {
    this.#waiting.enter(seeker)
  }

  seek(seeker: Seeker): void {
    const seekers = this.#seekers.get(seeker.deviceId)
    if (seekers === undefined) this.#seekers.set(seeker.deviceId, new Set([seeker]))
    else seekers.add(seeker)
  }

  unseek(seeker: Seeker): void {
    this.#waiting.leave(seeker)
    const seekers = this.#seekers.get(seeker.deviceId)
    seekers?.delete(seeker)
    if (seekers?.size === 0) this.#seekers.delete(seeker.deviceId)
  }

  close(): void {
    for (const timer of this.#remembered.values()) clearTimeout(timer)
    for (const place of this.#here.values()) place.close()
  }

  #admitSeekers(deviceId: string): void {
    for (const seeker of [...(this.#seekers.get(deviceId) ?? [])]) seeker.seek()
  }

  #forget(place: DevicePlace): void {
    this.#drop(place)
    this.neighbours?.forgot(place.deviceId)
    place.end()
  }

  #drop(place: DevicePlace): void {
    clearTimeout(this.#remembered.get(place))
    this.#remembered.delete(place)
    if (this.#here.get(place.deviceId) === place) this.#here.delete(place.deviceId)
  }
}
