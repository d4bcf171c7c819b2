/*
Img-convert turns a raw disk into the formats that clouds and people want.

Usage:

	img-convert [--to LIST] < MANIFESTS > MANIFESTS
	img-convert [--to LIST] [--output DIR] FILE...
*/
package main
