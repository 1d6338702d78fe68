# Prints the table METRICS of server/base/metrics.h as items of mdoc, so that the manual has each of them.
/^#define METRICS\(ROW\)/ { inside = 1; next }
inside { sub(/\\$/, ""); text = text $0 }
inside && /^$/ { inside = 0 }

function cut(row, n,    at, i) { # the n-th of its texts, or NULL, between commas
  while (n-- > 0) {
    match(row, /"([^"\\]|\\.)*"([ \t]*"([^"\\]|\\.)*")*|NULL/)
    at = substr(row, RSTART, RLENGTH)
    row = substr(row, RSTART + RLENGTH)
  }
  gsub(/"[ \t]+"/, "", at)
  gsub(/\\"/, "\001", at)
  gsub(/"/, "", at)
  gsub(/\001/, "\"", at)
  return at
}

END {
  count = split(text, rows, /ROW\(/)
  for (i = 2; i <= count; i++) {
    split(rows[i], parts, /, */)
    type = tolower(parts[2])
    if (type == "time") type = "counter"
    labels = cut(rows[i], 2)
    if (labels != "NULL" && cut(rows[i], 3) != "NULL") labels = labels ", " cut(rows[i], 3)
    help = cut(rows[i], 4)
    gsub(/-/, "\\-", help)
    printf ".It Ql mxhook_%s Pq %s%s\n%s.\n", cut(rows[i], 1), type, labels == "NULL" ? "" : "; " labels, help
  }
}
