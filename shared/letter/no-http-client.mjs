// What MJML reads HTML with brings an HTTP client along, to read it from the web: a fourth of all there is to load, and
// nothing that a letter ever needs. An empty one is put in its place, for the process that compiles letters alone.
// By name, not by path: how many copies there are, and where, is decided by what else is installed.
import { Module } from 'node:module'

const load = Module._load
Module._load = (name, ...rest) => (name === 'undici' ? {} : load(name, ...rest))
