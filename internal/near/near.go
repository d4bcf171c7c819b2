// Package near finds the name that a misspelt one was meant to be.
package near

// Name returns the candidate nearest to name and true, if one is near enough
// to be worth proposing: at most a third of the longer name's bytes differ,
// or one byte of a short name.
// Among equals the first wins.
func Name(name string, candidates []string) (string, bool) {
	best, bestDistance := "", 0
	for _, c := range candidates {
		longer := max(len(name), len(c))
		most := max(longer/3, 1)
		if longer-min(len(name), len(c)) > most {
			continue // each byte too many is a difference
		}
		if d := distance(name, c); d <= most && d < longer && (best == "" || d < bestDistance) {
			best, bestDistance = c, d
		}
	}
	return best, best != ""
}

// distance is the optimal string alignment distance: insertions, deletions,
// substitutions and swaps of neighbours each cost one.
func distance(a, b string) int {
	before, previous, current := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range previous {
		previous[j] = j
	}
	for i := 1; i <= len(a); i++ {
		current[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			current[j] = min(previous[j]+1, current[j-1]+1, previous[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				current[j] = min(current[j], before[j-2]+1)
			}
		}
		before, previous, current = previous, current, before
	}
	return previous[len(b)]
}
