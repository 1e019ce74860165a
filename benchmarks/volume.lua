-- For wrk: one request in five is a POST with a key of its own; the summary is one line of JSON.
local threads = 0

function setup(thread)
   thread:set("number", threads)
   threads = threads + 1
end

function init(args)
   sequence = 0
   prefix = args[1] .. "-" .. number .. "-"
   get = wrk.format("GET", "/")
end

function request()
   sequence = sequence + 1
   if sequence % 5 ~= 0 then
      return get
   end
   local headers = { ["Idempotency-Key"] = prefix .. sequence, ["Content-Type"] = "application/json" }
   return wrk.format("POST", "/payments", headers, '{"amount": 1}')
end

function done(summary, latency, requests)
   local errors = summary.errors
   io.write(string.format(
      'SUMMARY {"requests": %d, "connect": %d, "read": %d, "write": %d, "status": %d, "timeout": %d, ' ..
      '"p50_us": %d, "p99_us": %d}\n',
      summary.requests, errors.connect, errors.read, errors.write, errors.status, errors.timeout,
      latency:percentile(50), latency:percentile(99)))
end
