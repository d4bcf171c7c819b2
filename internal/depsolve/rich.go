package depsolve

import (
	"strings"

	"github.com/respin-project/respin/internal/repo"
)

// requireRich satisfies a boolean dependency, as
// https://rpm.org/docs/latest/manual/boolean_dependencies.html defines them:
// "(A or B)", "(A if B else C)" and so on, nested. Of alternatives the first
// that can be satisfied is taken, one that already is before the others.
// "if" and "unless" look at what was chosen so far.
func (c *closure) requireRich(text string) bool {
	terms, operators, ok := parseRich(text)
	if !ok {
		return false
	}
	if len(operators) == 0 {
		return c.requireTerm(terms[0])
	}
	switch operators[0] {
	case "or":
		for _, t := range terms {
			if c.satisfied(t) {
				return true
			}
		}
		for _, t := range terms {
			if c.requireTerm(t) {
				return true
			}
		}
		return false
	case "and", "with":
		for _, t := range terms {
			if !c.requireTerm(t) {
				return false
			}
		}
		return true
	case "without":
		return c.requireTerm(terms[0])
	case "if", "unless":
		if c.satisfied(terms[1]) == (operators[0] == "if") {
			return c.requireTerm(terms[0])
		}
		return len(terms) < 3 || c.requireTerm(terms[2])
	}
	return false
}

func (c *closure) requireTerm(term string) bool { return c.require(relation(term)) }

// satisfied reports whether a chosen package satisfies a term.
func (c *closure) satisfied(term string) bool {
	if strings.HasPrefix(term, "(") {
		terms, operators, ok := parseRich(term)
		if !ok {
			return false
		}
		some, all := false, true
		for _, t := range terms {
			if c.satisfied(t) {
				some = true
			} else {
				all = false
			}
		}
		return all || some && len(operators) > 0 && operators[0] == "or"
	}
	for _, p := range c.providers(relation(term)) {
		if c.chosen[p] {
			return true
		}
	}
	return false
}

// relation reads "NAME", "NAME OPERATOR EVR" or "(…)".
func relation(term string) repo.Relation {
	if strings.HasPrefix(term, "(") {
		return repo.Relation{Name: term}
	}
	name, rest, _ := strings.Cut(term, " ")
	operator, evr, _ := strings.Cut(strings.TrimSpace(rest), " ")
	r := repo.Relation{Name: name, EVR: evr}
	for _, o := range operator {
		switch o {
		case '<':
			r.Flags |= repo.Less
		case '>':
			r.Flags |= repo.Greater
		case '=':
			r.Flags |= repo.Equal
		}
	}
	return r
}

// parseRich splits "(A op B op C)" into its terms and operators; terms may be
// in brackets themselves. It reports whether the text is well-formed.
func parseRich(text string) (terms, operators []string, ok bool) {
	inner, ok := strings.CutPrefix(text, "(")
	if !ok {
		return nil, nil, false
	}
	if inner, ok = strings.CutSuffix(inner, ")"); !ok {
		return nil, nil, false
	}
	isOperator := map[string]bool{"or": true, "and": true, "with": true, "without": true, "if": true, "unless": true, "else": true}
	term, depth := "", 0
	for word := range strings.FieldsSeq(inner) {
		// Names may hold brackets too, as libc.so.6(GLIBC_2.34)(64bit) does, but in pairs.
		if depth == 0 && isOperator[word] {
			terms, operators = append(terms, term), append(operators, word)
			term = ""
			continue
		}
		depth += strings.Count(word, "(") - strings.Count(word, ")")
		term = strings.TrimSpace(term + " " + word)
	}
	terms = append(terms, term)
	for _, t := range terms {
		if t == "" {
			return nil, nil, false
		}
	}
	return terms, operators, depth == 0
}
