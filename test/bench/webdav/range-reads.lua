-- For wrk: ranged reads of BYTES at random offsets of the first SPAN bytes of a file, checked by
-- status and length. Arguments: BYTES SPAN HOST. Prints one line of JSON.
local requests = {}
local at = 0

function init(args)
  local bytes, span = tonumber(args[1]), tonumber(args[2])
  math.randomseed(1)
  -- Made before it is measured: what a request costs its sender must not count.
  for index = 1, 8192 do
    local from = math.random(0, span / bytes - 1) * bytes
    local range = string.format("Range: bytes=%.0f-%.0f\r\n", from, from + bytes - 1)
    requests[index] = "GET " .. wrk.path .. " HTTP/1.1\r\nHost: " .. args[3] .. "\r\n" .. range .. "\r\n"
  end
end

function request()
  at = at % #requests + 1
  return requests[at]
end

function done(summary)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  local form = '{"requests":%d,"seconds":%.6f,"bytes":%.0f,"failed":%d}\n'
  io.write(string.format(form, summary.requests, summary.duration / 1e6, summary.bytes, failed))
end
