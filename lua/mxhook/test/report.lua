--- What `mxhook test` prints: readable lines or TAP on stdout, JUnit XML in a file.

local report = {}

local function indent(text, by) return by .. text:gsub("\n", "\n" .. by) end

local function reason(failure)
    return (failure.where and failure.where .. ": " or "") .. failure.text
end

local plain = {}

function plain.start() end

function plain.test(_, test)
    local marks = { passed = "ok     ", failed = "FAILED ", skipped = "skipped" }
    io.write(marks[test.state], " ", test.name, "\n")
    if test.failure then io.write(indent(reason(test.failure), "        "), "\n") end
end

-- Rules, and keys of aliases by rule: "10-alias.lua:3 sales@example.com".
local function write_unreached(unreached)
    local rules, keys = {}, {}
    for line in unreached:gmatch("[^\n]+") do table.insert(line:find(" ", 1, true) and keys or rules, line) end
    if #rules + #keys == 0 then
        io.write "every rule and alias was reached\n"
    else
        io.write(("not reached: %d rule(s), %d alias(es): %s\n"):format(#rules, #keys,
            table.concat(rules, ", ") .. (#rules > 0 and #keys > 0 and ", " or "") .. table.concat(keys, ", ")))
    end
end

function plain.finish(counts, unreached)
    if unreached then write_unreached(unreached) end
    io.write(("%d passed, %d failed, %d skipped\n"):format(counts.passed, counts.failed, counts.skipped))
end

local tap = {}

function tap.start(total) io.write("TAP version 13\n1..", total, "\n") end

function tap.test(number, test)
    io.write(test.state == "failed" and "not ok " or "ok ", number, " - ", (test.name:gsub("#", "\\#")),
        test.state == "skipped" and " # SKIP" or "", "\n")
    if test.failure then io.write(indent(reason(test.failure), "# "), "\n") end
end

function tap.finish() end

local entities = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;" }

-- XML 1.0 has no place for most control characters, not even escaped.
local function xml(text)
    return (text:gsub("[%z\1-\8\11\12\14-\31]", "?"):gsub('[&<>"]', entities))
end

local function write_junit(path, tests, counts)
    local file, wrong = io.open(path, "w")
    if not file then error(wrong, 0) end
    file:write('<?xml version="1.0" encoding="UTF-8"?>\n',
        ('<testsuite name="mxhook" tests="%d" failures="%d" skipped="%d">\n'):format(#tests, counts.failed,
            counts.skipped))
    for _, test in ipairs(tests) do
        file:write(('  <testcase classname="%s" name="%s" time="%.3f">'):format(xml(test.file), xml(test.name),
            test.seconds))
        if test.state == "skipped" then file:write "<skipped/>" end
        if test.failure then
            file:write(('<failure message="%s"/>'):format(xml(reason(test.failure))))
        end
        file:write "</testcase>\n"
    end
    file:write "</testsuite>\n"
    if not file:close() then error(path .. ": cannot be written", 0) end
end

--- An object with test(number, test) after each and finish(tests), which gives the exit code.
function report.new(options, total)
    local format = options.tap and tap or plain
    format.start(total)
    local output = { test = format.test }
    function output.finish(tests, unreached)
        local counts = { passed = 0, failed = 0, skipped = 0 }
        for _, test in ipairs(tests) do counts[test.state] = counts[test.state] + 1 end
        format.finish(counts, #tests > 0 and unreached or nil)
        if options.junit then write_junit(options.junit, tests, counts) end
        if #tests == 0 then
            io.stderr:write "mxhook test: there is no test\n"
            return 2
        end
        return counts.failed > 0 and 1 or 0
    end
    return output
end

return report
