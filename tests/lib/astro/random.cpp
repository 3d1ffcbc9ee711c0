/* Prints starts and slopes as <random> of C++ gives them: seed, width, height, how many. */
#include <cstdio>
#include <cstdlib>
#include <random>

struct beta {
        std::gamma_distribution<> x{3, 1.0}, y{2, 1.0};

        double operator()(std::mt19937 &engine) {
                const double first = x(engine), second = y(engine);
                return first / (first + second);
        }
};

int main(int, char **arguments) {
        std::mt19937 engine(static_cast<std::uint32_t>(strtoul(arguments[1], nullptr, 10)));
        std::uniform_int_distribution<int> column(0, atoi(arguments[2]) - 1), row(0, atoi(arguments[3]) - 1), way(0, 1);
        beta x_beta, y_beta;

        for (int count = atoi(arguments[4]); count > 0; count--) {
                const double x = column(engine), y = row(engine);
                const double x_slope = x_beta(engine) * 2 * (way(engine) ? -1 : 1);
                const double y_slope = y_beta(engine) * 2 * (way(engine) ? -1 : 1);

                printf("%.17g %.17g %.17g %.17g\n", x, y, x_slope, y_slope);
        }
        return 0;
}
