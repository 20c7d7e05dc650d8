/** Whoever has a place for a while, and loses it when others need it more. */
export interface Guest {
  /** By which it is counted. */
  readonly network: string
  /** It has its place no more. */
  displaced(): void
}

/**
 * Places for those of whom nothing is proven yet. There is always one for who comes: when all are taken, or all that one network may
 * have, the guest that has been there longest loses its own, of the network that has most. So who proves in good time what it has to
 * prove gets through, however many others sit there.
 */
export class Places {
  readonly #most: number
  readonly #mostOfOne: number
  readonly #guests = new Map<string, Set<Guest>>()
  #size = 0

  constructor(most: number, mostOfOne = most) {
    this.#most = most
    this.#mostOfOne = mostOfOne
  }

  get size(): number {
    return this.#size
  }

  enter(guest: Guest): void {
    const others = this.#guests.get(guest.network)
    const guests = others ?? new Set()
    if (others === undefined) this.#guests.set(guest.network, guests)
    guests.add(guest)
    this.#size++
    if (guests.size > this.#mostOfOne) this.#displace(guests)
    else if (this.#size > this.#most) this.makeRoom()
  }

  leave(guest: Guest): void {
    const guests = this.#guests.get(guest.network)
    if (guests?.delete(guest) !== true) return
    this.#size--
    if (guests.size === 0) this.#guests.delete(guest.network)
  }

  /** Takes the place of one. */
  makeRoom(): void {
    let most: ReadonlySet<Guest> = new Set()
    for (const guests of this.#guests.values()) if (guests.size > most.size) most = guests
    this.#displace(most)
  }

  #displace(guests: ReadonlySet<Guest>): void {
    const [oldest] = guests
    if (oldest === undefined) return
    this.leave(oldest)
    oldest.displaced()
  }
}
