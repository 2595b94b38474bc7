#pragma once
// The vector types of CUDA, with their alignment.

#define MG_VECTOR_1(name, T) \
  struct name##1 {           \
    T x;                     \
  };                         \
  constexpr name##1 make_##name##1(T x) { return {x}; }
#define MG_VECTOR_2(name, T)              \
  struct alignas(2 * sizeof(T)) name##2 { \
    T x, y;                               \
  };                                      \
  constexpr name##2 make_##name##2(T x, T y) { return {x, y}; }
#define MG_VECTOR_3(name, T) \
  struct name##3 {           \
    T x, y, z;               \
  };                         \
  constexpr name##3 make_##name##3(T x, T y, T z) { return {x, y, z}; }
#define MG_VECTOR_4(name, T)                                        \
  struct alignas(4 * sizeof(T) < 16 ? 4 * sizeof(T) : 16) name##4 { \
    T x, y, z, w;                                                   \
  };                                                                \
  constexpr name##4 make_##name##4(T x, T y, T z, T w) { return {x, y, z, w}; }
#define MG_VECTORS(name, T) MG_VECTOR_1(name, T) MG_VECTOR_2(name, T) MG_VECTOR_3(name, T) MG_VECTOR_4(name, T)

MG_VECTORS(char, signed char)
MG_VECTORS(uchar, unsigned char)
MG_VECTORS(short, short)
MG_VECTORS(ushort, unsigned short)
MG_VECTORS(int, int)
MG_VECTORS(uint, unsigned int)
MG_VECTORS(longlong, long long)
MG_VECTORS(ulonglong, unsigned long long)
MG_VECTORS(float, float)
MG_VECTORS(double, double)

#undef MG_VECTORS
#undef MG_VECTOR_1
#undef MG_VECTOR_2
#undef MG_VECTOR_3
#undef MG_VECTOR_4

struct dim3 {
  unsigned x = 1, y = 1, z = 1;
  constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
  constexpr dim3(uint3 v) : x(v.x), y(v.y), z(v.z) {}
};
