-- The request and what every answer must hold, for wrk: load.py starts it and says what the files are.
--
-- Every answer is looked at: status 200, and the bytes of the answer's file in its body. What is wrong is counted in
-- each thread, added up at the end, and printed as JSON with the rates and latencies.

local threads = {}

function setup(thread)
  table.insert(threads, thread)
end

local function read(path)
  local file = assert(io.open(path, "rb"))
  local content = file:read("*a")
  file:close()
  return content
end

function init(arguments)
  -- arguments: the request's body, its headers (lines of "Name: value"), the answer's bytes.
  wrk.method = "POST"
  wrk.body = read(arguments[1])
  for name, value in read(arguments[2]):gmatch("([^\r\n:]+): ([^\r\n]*)") do
    wrk.headers[name] = value
  end
  expected = read(arguments[3])
  assert(#expected > 0, "nothing is expected of the answers")
  answered = 0
  wrong = 0
end

function response(status, _, body)
  answered = answered + 1
  if status ~= 200 or not body:find(expected, 1, true) then
    wrong = wrong + 1
  end
end

function done(summary, latency, _)
  local answered, wrong = 0, 0
  for _, thread in ipairs(threads) do
    answered = answered + thread:get("answered")
    wrong = wrong + thread:get("wrong")
  end
  local errors = summary.errors
  io.write(string.format(
    '\n{"answered": %d, "wrong": %d, "lost": %d, "seconds": %f, "p50_ms": %f, "p99_ms": %f}\n',
    answered, wrong, errors.connect + errors.read + errors.write + errors.timeout,
    summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
