//! The sanitizer: what checked mode keeps in mind beyond the values themselves.
