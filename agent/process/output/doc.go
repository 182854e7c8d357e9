// Package output holds the small writers that a child's output passes through on
// its way to the terminal, the pod's log and training.log.
//
// Each promises a bound: Collapser holds back one line, Tail keeps so many lines,
// Queue so many bytes. Bytes that none of them is there to change pass unchanged,
// UTF-8 or not, and no result depends on how the stream was cut into writes.
//
// Which of them stand before which sink is the caller's matter. None of them is safe for concurrent use, except where it says so.
package output
