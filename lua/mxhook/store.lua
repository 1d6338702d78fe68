--- store: what rules remember from message to message, shared by all workers and kept over reloads.
--
--   local store = require "mxhook.store"
--   store.set(key, value, seconds)   -- a string or number; without seconds until there is no room
--   store.get(key)                   -- the value, or nil
--   store.add(key, 1, seconds)       -- counts: the new number; the seconds run from the first add
--   store.delete(key)
--
-- Bounded to 16 MiB: what was not used for longest goes first. Lost at a restart.

return require "mxhook.core".store
