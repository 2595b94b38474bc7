#include "pde/tableau.hpp"

#include <complex>
#include <initializer_list>

namespace mg::pde {

namespace {

using Row = std::initializer_list<double>;
using Dense = Tableau::Dense;

void fill(double* to, Row from) {
  for (const double value : from) *to++ = value;
}

/// c from the rows of a (their sums), unless given.
Tableau make(std::string_view name, int order, Dense dense, std::initializer_list<Row> a, Row b, Row c = {}) {
  Tableau t;
  t.name = name;
  t.order = order;
  t.dense = dense;
  t.stages = int(a.size()) + 1;
  int i = 1;
  for (const Row row : a) {
    fill(t.a[i], row);
    for (int j = 0; j < i; ++j) t.c[i] += t.a[i][j];
    ++i;
  }
  fill(t.b, b);
  if (c.size() > 0) fill(t.c + 1, c);
  return t;
}

Tableau with_error(Tableau t, Row e) {
  t.has_error = true;
  fill(t.e, e);
  return t;
}
/// e = b - b_hat.
Tableau with_embedded(Tableau t, Row b_hat) {
  t.has_error = true;
  fill(t.e, b_hat);
  for (int i = 0; i < t.stages; ++i) t.e[i] = t.b[i] - t.e[i];
  return t;
}
Tableau reusing_last(Tableau t) {
  t.last_is_next = true;
  return t;
}

}  // namespace

const Tableau& euler() {
  static const Tableau t = make("euler", 1, Dense::linear, {}, {1});
  return t;
}

const Tableau& heun() {
  static const Tableau t = with_error(make("heun", 2, Dense::hermite, {{1}}, {0.5, 0.5}), {0.5, -0.5});
  return t;
}

const Tableau& ssp_rk3() {
  static const Tableau t =
      with_embedded(make("ssp_rk3", 3, Dense::quadratic, {{1}, {0.25, 0.25}}, {1 / 6., 1 / 6., 2 / 3.}), {0.5, 0.5, 0});
  return t;
}

const Tableau& petsc_rk3() {
  static const Tableau t = make("rk3", 3, Dense::quadratic, {{2 / 3.}, {-1 / 3., 1}}, {0.25, 0.5, 0.25});
  return t;
}

const Tableau& bosh3() {
  static const Tableau t = reusing_last(with_embedded(
      make("bosh3", 3, Dense::hermite, {{0.5}, {0, 0.75}, {2 / 9., 1 / 3., 4 / 9.}}, {2 / 9., 1 / 3., 4 / 9., 0}),
      {7 / 24., 0.25, 1 / 3., 0.125}));
  return t;
}

const Tableau& rk4() {
  static const Tableau t =
      make("rk4", 4, Dense::hermite, {{0.5}, {0, 0.5}, {0, 0, 1}}, {1 / 6., 1 / 3., 1 / 3., 1 / 6.});
  return t;
}

const Tableau& dopri5() {
  static const Tableau t = reusing_last(
      with_embedded(make("dopri5", 5, Dense::dopri5,
                         {{1 / 5.},
                          {3 / 40., 9 / 40.},
                          {44 / 45., -56 / 15., 32 / 9.},
                          {19372 / 6561., -25360 / 2187., 64448 / 6561., -212 / 729.},
                          {9017 / 3168., -355 / 33., 46732 / 5247., 49 / 176., -5103 / 18656.},
                          {35 / 384., 0, 500 / 1113., 125 / 192., -2187 / 6784., 11 / 84.}},
                         {35 / 384., 0, 500 / 1113., 125 / 192., -2187 / 6784., 11 / 84., 0},
                         {1 / 5., 3 / 10., 4 / 5., 8 / 9., 1, 1}),
                    {1951 / 21600., 0, 22642 / 50085., 451 / 720., -12231 / 42400., 649 / 6300., 1 / 60.}));
  return t;
}

const Tableau& tsit5() {
  static const Tableau t = reusing_last(with_error(
      make("tsit5", 5, Dense::tsit5,
           {{.161},
            {-.008480655492356989, .335480655492357},
            {2.8971530571054935, -6.359448489975075, 4.3622954328695815},
            {5.325864828439257, -11.748883564062828, 7.4955393428898365, -.09249506636175525},
            {5.86145544294642, -12.92096931784711, 8.159367898576159, -.071584973281401, -.028269050394068383},
            {.09646076681806523, .01, .4798896504144996, 1.379008574103742, -3.290069515436081, 2.324710524099774}},
           {.09646076681806523, .01, .4798896504144996, 1.379008574103742, -3.290069515436081, 2.324710524099774, 0},
           {.161, .327, .9, .9800255409045097, 1, 1}),
      {.0017800110522257773, .0008164344596567463, -.007880878010261994, .1447110071732629, -.5823571654525552,
       .45808210592918686, -1 / 66.}));
  return t;
}

const Tableau& dopri8() {
  const Row b = {14005451 / 335480064.,
                 0,
                 0,
                 0,
                 0,
                 -59238493 / 1068277825.,
                 181606767 / 758867731.,
                 561292985 / 797845732.,
                 -1041891430 / 1371343529.,
                 760417239 / 1151165299.,
                 118820643 / 751138087.,
                 -528747749 / 2220607170.,
                 1 / 4.,
                 0};
  static const Tableau t = reusing_last(with_embedded(
      make("dopri8", 8, Dense::dopri8,
           {{1 / 18.},
            {1 / 48., 1 / 16.},
            {1 / 32., 0, 3 / 32.},
            {5 / 16., 0, -75 / 64., 75 / 64.},
            {3 / 80., 0, 0, 3 / 16., 3 / 20.},
            {29443841 / 614563906., 0, 0, 77736538 / 692538347., -28693883 / 1125000000., 23124283 / 1800000000.},
            {16016141 / 946692911., 0, 0, 61564180 / 158732637., 22789713 / 633445777., 545815736 / 2771057229.,
             -180193667 / 1043307555.},
            {39632708 / 573591083., 0, 0, -433636366 / 683701615., -421739975 / 2616292301., 100302831 / 723423059.,
             790204164 / 839813087., 800635310 / 3783071287.},
            {246121993 / 1340847787., 0, 0, -37695042795 / 15268766246., -309121744 / 1061227803.,
             -12992083 / 490766935., 6005943493 / 2108947869., 393006217 / 1396673457., 123872331 / 1001029789.},
            {-1028468189 / 846180014., 0, 0, 8478235783 / 508512852., 1311729495 / 1432422823.,
             -10304129995 / 1701304382., -48777925059 / 3047939560., 15336726248 / 1032824649.,
             -45442868181 / 3398467696., 3065993473 / 597172653.},
            {185892177 / 718116043., 0, 0, -3185094517 / 667107341., -477755414 / 1098053517., -703635378 / 230739211.,
             5731566787 / 1027545527., 5232866602 / 850066563., -4093664535 / 808688257., 3962137247 / 1805957418.,
             65686358 / 487910083.},
            {403863854 / 491063109., 0, 0, -5068492393 / 434740067., -411421997 / 543043805., 652783627 / 914296604.,
             11173962825 / 925320556., -13158990841 / 6184727034., 3936647629 / 1978049680., -160528059 / 685178525.,
             248638103 / 1413531060., 0},
            b},
           b,
           {1 / 18., 1 / 12., 1 / 8., 5 / 16., 3 / 8., 59 / 400., 93 / 200., 5490023248 / 9719169821., 13 / 20.,
            1201146811 / 1299019798., 1, 1, 1}),
      {13451932 / 455176623., 0, 0, 0, 0, -808719846 / 976000145., 1757004468 / 5645159321., 656045339 / 265891186.,
       -3867574721 / 1518517206., 465885868 / 322736535., 53011238 / 667516719., 2 / 45., 0, 0}));
  return t;
}

namespace {

void dopri5_dense(double x, DenseWeights& w) {
  constexpr double mid[7] = {6025192743 / 30085553152.,     0,
                             51252292925 / 65400821598.,    -2691868925 / 45128329728.,
                             187940372067 / 1594534317056., -1776094331 / 19743644256.,
                             11237099 / 235043384.};
  const double x2 = x * x, x3 = x2 * x, x4 = x3 * x, wm = 16 * x4 - 32 * x3 + 16 * x2;
  w.y0 = -8 * x4 + 18 * x3 - 11 * x2 + 1 + wm;
  w.y1 = -8 * x4 + 14 * x3 - 5 * x2;
  for (int i = 0; i < 7; ++i) w.slope[i] = wm * mid[i] / 2;
  w.slope[0] += -2 * x4 + 5 * x3 - 4 * x2 + x;
  w.slope[6] += 2 * x4 - 3 * x3 + x2;
}

void tsit5_dense(double x, DenseWeights& w) {
  const double x2 = x * x;
  w.y0 = 1;
  w.slope[0] = -1.0530884977290216 * x * (x - 1.3299890189751412) * (x2 - 1.4364028541716351 * x + .7139816917074209);
  w.slope[1] = .1017 * x2 * (x2 - 2.1966568338249754 * x + 1.2949852507374631);
  w.slope[2] = 2.490627285651252793 * x2 * (x2 - 2.38535645472061657 * x + 1.57803468208092486);
  w.slope[3] = -16.54810288924490272 * (x - 1.21712927295533244) * (x - .61620406037800089) * x2;
  w.slope[4] = 47.37952196281928122 * (x - 1.203071208372362603) * (x - .658047292653547382) * x2;
  w.slope[5] = -34.87065786149660974 * (x - 1.2) * (x - 2 / 3.) * x2;
  w.slope[6] = 2.5 * (x - 1) * (x - .6) * x2;
}

void dopri8_dense(double x, DenseWeights& w) {
  struct Quintic {
    int slope;
    double q[6];  // of x^5 ... x^0
  };
  constexpr Quintic quintics[] = {
      {0,
       {-6.3448349392860401388, 22.1396504998094068976, -30.0610568289666450593, 19.9990069333683970610,
        -6.6910181737837595697, 1}},
      {5,
       {-39.6107919852202505218, 116.4422149550342161651, -121.4999627731334642623, 52.2273532792945524050,
        -7.6142658045872677172, 0}},
      {6,
       {20.3761213808791436958, -67.1451318825957197185, 83.1721004639847717481, -46.8919164181093621583,
        10.7281392630428866124, 0}},
      {7,
       {7.3347098826795362023, -16.5672243527496524646, 9.5724507555993664382, -0.1890893225010595467,
        0.5526637063753648783, 0}},
      {8,
       {32.8801774352459155182, -89.9916014847245016028, 87.8406057677205645007, -35.7075975946222072821,
        4.2186562625665153803, 0}},
      {9,
       {-10.1588990526426760954, 22.6237489648532849093, -17.4152107770762969005, 6.2736448083240352160,
        -0.6627209125361597559, 0}},
      {10,
       {-12.5401268098782561200, 32.2362340167355370113, -28.5903289514790976966, 10.3160881272450748458,
        -1.2636789001135462218, 0}},
      {11,
       {29.5553001484516038033, -82.1020315488359848644, 81.6630950584341412934, -34.7650769866611817349,
        5.4106037898590422230, 0}},
      {12,
       {-41.7923486424390588923, 116.2662185791119533462, -114.9375291377009418170, 47.7457971078225540396,
        -7.0321379067945741781, 0}},
      {13,
       {20.3006925822100825485, -53.9020777466385396792, 50.2558364226176017553, -19.0082099341608028453,
        2.3537586759714983486, 0}},
  };
  w.y0 = 1;
  for (const Quintic& row : quintics) {
    double p = 0;
    for (const double q : row.q) p = p * x + q;
    w.slope[row.slope] = x * p;
  }
}

}  // namespace

DenseWeights dense_weights(const Tableau& t, double x) {
  DenseWeights w;
  switch (t.dense) {
    case Dense::linear:
      w.y0 = 1 - x;
      w.y1 = x;
      break;
    case Dense::quadratic:
      w.y0 = 1;
      w.slope[0] = x - x * x;
      for (int i = 0; i < t.stages; ++i) w.slope[i] += x * x * t.b[i];
      break;
    case Dense::hermite:
      w.y0 = (2 * x - 3) * x * x + 1;
      w.y1 = (3 - 2 * x) * x * x;
      w.slope[0] += ((x - 2) * x + 1) * x;
      w.slope[t.stages - 1] += (x - 1) * x * x;
      break;
    case Dense::dopri5:
      dopri5_dense(x, w);
      break;
    case Dense::tsit5:
      tsit5_dense(x, w);
      break;
    case Dense::dopri8:
      dopri8_dense(x, w);
      break;
  }
  return w;
}

double stability_modulus(const Tableau& t, double re, double im) {
  const std::complex<double> z(re, im);
  std::complex<double> slope[Tableau::kMost], next = 1;
  for (int i = 0; i < t.stages; ++i) {
    slope[i] = 1;
    for (int j = 0; j < i; ++j) slope[i] += z * t.a[i][j] * slope[j];
    next += z * t.b[i] * slope[i];
  }
  return std::abs(next);
}

double real_stability_limit(const Tableau& t) {
  constexpr double kRounding = 1e-12, kStep = 1e-3;
  double low = 0;
  while (stability_modulus(t, -(low + kStep), 0) <= 1 + kRounding) low += kStep;
  double high = low + kStep;
  for (int bisection = 0; bisection < 40; ++bisection) {
    const double middle = (low + high) / 2;
    (stability_modulus(t, -middle, 0) <= 1 + kRounding ? low : high) = middle;
  }
  return low;
}

}  // namespace mg::pde
