export const clock = { setTimeout, clearTimeout, now: () => performance.now() }
