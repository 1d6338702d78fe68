--- store: what rules remember from message to message, shared by all workers and kept over reloads.
--
--   local store = require "mxhook.store"
--   store.set(key, value, seconds)   -- a string or number; without seconds until there is no room
--   store.get(key)                   -- the value, or nil
--   store.add(key, 1, seconds)       -- counts: the new number; the seconds run from the first add
--   store.delete(key)
--   store.once(key, seconds)         -- true where no message with that key was taken (answered 250) before
--
-- set, add and delete take effect at once, whatever becomes of the message. once() is a reservation, kept when the
-- message is answered 250 and released otherwise: so what is deferred and sent again is not taken for a repeat. It is
-- true for every recipient of the message that took it, and true for another message while the first is undecided.
-- Its keys are apart from the others'.
--
-- Bounded to 16 MiB: what was not used for longest goes first. Lost at a restart.

return require "mxhook.core".store
