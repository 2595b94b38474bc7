#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "core/safetensors.hpp"

namespace mg {

// Readers of arrays of numbers. Every size is checked against the bytes at hand before anything is allocated; all throw
// DataError naming the file, and IoError when it cannot be read.

/// The arrays of an .npz file by name, without ".npy": entries stored or deflated, with 32- or 64-bit sizes; checksums
/// are verified. An entry that is no array is an error.
TensorFile parse_npz(std::string_view bytes, const std::string& where);
TensorFile read_npz(const std::filesystem::path& path);

/// An array of the IDX format (that of the MNIST digits): big endian in the file, little endian in the result.
/// A file compressed with gzip is unpacked first, up to 4 GB.
Tensor parse_idx(std::string_view bytes, const std::string& where);
Tensor read_idx(const std::filesystem::path& path);
/// The bytes of such a file for a tensor of U8.
std::string idx_bytes(const Tensor& tensor);

/// One array of a file by its extension: .npy, .npz (the array `key`; empty = the only one, or "states"), .idx, .gz and
/// names that end in -ubyte.
Tensor read_array(const std::filesystem::path& path, const std::string& key);

}  // namespace mg
