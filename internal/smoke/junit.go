package smoke

import (
	"bytes"
	"encoding/xml"
	"fmt"
)

type junitReport struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Time     string       `xml:"time,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name       string          `xml:"name,attr"`
	Tests      int             `xml:"tests,attr"`
	Failures   int             `xml:"failures,attr"`
	Skipped    int             `xml:"skipped,attr"`
	Time       string          `xml:"time,attr"`
	Properties []junitProperty `xml:"properties>property"`
	Cases      []junitCase     `xml:"testcase"`
}

type junitProperty struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

type junitCase struct {
	Name    string        `xml:"name,attr"`
	Class   string        `xml:"classname,attr"`
	Time    string        `xml:"time,attr"`
	Failure *junitProblem `xml:"failure"`
	Skipped *junitProblem `xml:"skipped"`
	Output  string        `xml:"system-out,omitempty"`
}

type junitProblem struct {
	Type    string `xml:"type,attr,omitempty"`
	Message string `xml:"message,attr"`
}

// JUnit writes a report in the XML that JUnit made the usual format of test results, for CI
// systems to show. A check that failed as a warning is no failure there.
func JUnit(suites []Suite) []byte {
	var r junitReport
	total := 0.0
	for _, s := range suites {
		suite := s.junit()
		r.Tests += suite.Tests
		r.Failures += suite.Failures
		total += s.Test.Seconds
		r.Suites = append(r.Suites, suite)
	}
	r.Time = fmt.Sprintf("%.2f", total)
	var b bytes.Buffer
	b.WriteString(xml.Header)
	enc := xml.NewEncoder(&b)
	enc.Indent("", "  ")
	if err := enc.Encode(r); err != nil {
		panic(err) // a type that cannot be encoded: a mistake above
	}
	b.WriteByte('\n')
	return b.Bytes()
}

func (s Suite) junit() junitSuite {
	t := s.Test
	suite := junitSuite{
		Name: fmt.Sprintf("%s (%s)", s.Name, t.Firmware),
		Time: fmt.Sprintf("%.2f", t.Seconds),
		Properties: []junitProperty{
			{"artifact", t.Artifact}, {"sha256", t.SHA256}, {"machine", t.Machine}, {"accelerator", t.Accelerator},
		},
	}
	for _, retry := range t.Retries {
		suite.Properties = append(suite.Properties, junitProperty{"retry", retry})
	}
	for _, r := range t.Results {
		c := junitCase{Name: r.Name, Class: "smoke." + t.Firmware, Time: fmt.Sprintf("%.2f", r.Seconds)}
		switch {
		case r.Outcome == "skipped":
			c.Skipped = &junitProblem{Message: r.Message}
			suite.Skipped++
		case r.Outcome == "failed" && r.Severity == "error":
			c.Failure = &junitProblem{Type: r.Name, Message: r.Message}
			suite.Failures++
		case r.Outcome == "failed":
			c.Output = "warning: " + r.Message
		default:
			c.Output = r.Message
		}
		suite.Cases = append(suite.Cases, c)
	}
	if !t.Passed && suite.Failures == 0 { // it did not get as far as a check
		suite.Cases = append(suite.Cases, junitCase{Name: t.Code, Class: "smoke." + t.Firmware, Time: "0.00", Failure: &junitProblem{Type: t.Code, Message: t.Cause}})
		suite.Failures++
	}
	suite.Tests = len(suite.Cases)
	return suite
}
