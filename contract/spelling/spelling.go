// Package spelling finds the word that a person most probably meant.
package spelling

import "strings"

// Nearest finds the word that is equal but for case and underscores, or at most two
// edits away when it is long enough for that to be no chance. It returns "" for none.
func Nearest(name string, words []string) string {
	best, distance := "", 3
	for _, w := range words {
		if squash(name) == squash(w) {
			return w
		}
		if d := edits(strings.ToUpper(name), strings.ToUpper(w)); d < distance && d*4 <= len(w) {
			best, distance = w, d
		}
	}
	return best
}

func squash(s string) string { return strings.ToUpper(strings.ReplaceAll(s, "_", "")) }

// edits is the optimal string alignment distance: insertions, deletions,
// substitutions and swaps of neighbours each count one.
func edits(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
